"""Label Studio's JSON: tasks with annotations, or JSON_MIN, a row an annotation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.labels.answers.answer import SEVERAL, SKIPPED, Answer, picture_of
from pipeline.labels.answers.rows import CHOICE, one_label
from transforms.errors import UserError

Task = Mapping[str, Any]


def is_tasks(content: Any) -> bool:
    """Whether this is a list of tasks with data of their own."""
    return isinstance(content, list) and any(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in content[:1]
    )


def task_answers(path: str, tasks: Sequence[Task], *, column: str | None) -> Iterator[Answer]:
    """What people said of the tasks.

    Args:
        path: of the file, for messages.
        tasks: of an export; tasks for an import have predictions only.
        column: the name of the control; None for `choice`, or the only one there is.

    Raises:
        UserError: nobody has answered yet, or several controls were answered.
    """
    if not any(task.get("annotations") for task in tasks):
        raise UserError(
            f"{path}: these are tasks without an answer. Export the project from Label Studio when "
            "people have answered."
        )
    control = column or _control(path, tasks)
    for task in tasks:
        where = f"{path} task {task.get('id', '?')}"
        picture = picture_of(task["data"])
        if not picture:
            found = ", ".join(task["data"]) or "nothing"
            raise UserError(f"{where}: which picture is this? Expected uri or image, found {found}")
        for annotation in task.get("annotations") or ():
            yield _answer(where, picture, task, annotation, control)


def _answer(
    where: str, picture: Mapping[str, str], task: Task, annotation: Task, control: str
) -> Answer:
    said = None if _cancelled(annotation) else _said(annotation, control)
    missing = SEVERAL if said == {} else "" if said else SKIPPED
    return Answer(
        where,
        picture,
        said or None,
        annotator=_annotator(annotation.get("completed_by")),
        round=str(task["data"].get("round", "")),
        time=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
        missing=missing,
    )


def _cancelled(annotation: Task) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _said(annotation: Task, control: str) -> dict[str, str] | None:
    """The label; nothing if several, None if there is none."""
    choices: list[str] = []
    for result in annotation.get("result") or ():
        if result.get("from_name") == control:
            choices += result.get("value", {}).get("choices", [])
    return one_label(choices)


def _annotator(who: Any) -> str:
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return "" if who is None else str(who)


def _control(path: str, tasks: Sequence[Task]) -> str:
    names = {
        result.get("from_name")
        for task in tasks
        for annotation in task.get("annotations") or ()
        for result in annotation.get("result") or ()
        if "choices" in result.get("value", {})
    }
    if CHOICE in names or not names:
        return CHOICE
    if len(names) == 1:
        return str(names.pop())
    raise UserError(
        f"{path}: which control is the answer, {' or '.join(sorted(map(str, names)))}? Name it "
        "with --truth-column."
    )
