#!/usr/bin/env bash
# Apache Beam 2.77.0 builds no pipeline in IPython, and so in no notebook, beside pandas 3.
#
# In a kernel Beam puts the number of the cell before the names of steps. For that it imports its
# interactive runner, that its data frames, and those the documentation of pandas.DataFrame.first,
# which pandas 3 no longer has. Beam alone, without its extra `dataframe`, says nothing of pandas.
#
# Seen: the pipeline below prints 1 in Python, and in IPython ends with AttributeError: type object
# 'DataFrame' has no attribute 'first'. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-beam==2.77.0 ipython==9.18.1 pandas==3.1.1
cat > "$folder/pipeline.py" <<'PYTHON'
import apache_beam as beam

with beam.Pipeline(runner="FnApiRunner") as pipeline:
    _ = pipeline | beam.Create([1]) | beam.Map(print)
PYTHON
"$folder/venv/bin/python" "$folder/pipeline.py" | grep -x 1
"$folder/venv/bin/ipython" --colors=NoColor "$folder/pipeline.py" > "$folder/seen.txt" 2>&1 || true
grep "^AttributeError: type object 'DataFrame' has no attribute 'first'" "$folder/seen.txt"
