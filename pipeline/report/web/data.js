// The rows: columns of numbers, and the words that they stand for.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const settings = read("settings");

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

// Every browser's numbers are little-endian, as the page's are.
function numbers({ width, data }) {
  const bytes = bytesOf(data);
  if (width === 1) return bytes;
  if (width === 2) return new Uint16Array(bytes.buffer);
  if (width === 4) return new Uint32Array(bytes.buffer);
  const values = new Uint32Array(bytes.length / 3);
  for (let at = 0; at < values.length; at++) {
    values[at] = bytes[3 * at] | (bytes[3 * at + 1] << 8) | (bytes[3 * at + 2] << 16);
  }
  return values;
}

function shares(column) {
  return Float32Array.from(numbers(column), (value) => value / column.steps);
}

function readRows() {
  const found = read("rows");
  const folder = found.folder && numbers(found.folder);
  const label = numbers(found.label);
  const top = { ...found.top, label: numbers(found.top.label), score: shares(found.top.score) };
  const format = numbers(found.format);
  const truth = found.truth && {
    words: found.truth.words, word: numbers(found.truth.truth), verdict: numbers(found.truth.verdict),
  };
  const flags = found.flags && { names: found.flags.names, bits: numbers(found.flags.bits) };
  const nearest = found.near && { k: found.near.k, row: numbers(found.near.row), cosine: shares(found.near.cosine) };
  return {
    count: found.rows, of: found.of, labels: found.labels, groups: found.groups, names: found.names,
    label, score: shares(found.score), width: numbers(found.width), height: numbers(found.height),
    map: found.map && { x: shares(found.map.x), y: shares(found.map.y) },
    truth, nearest, flags,
    folders: folder ? found.folders : [], folderOf: (row) => folder[row],
    uri: (row) => (folder ? found.folders[folder[row]] : "") + found.names[row],
    folder: (row) => (folder ? found.folders[folder[row]] : ""),
    format: (row) => found.formats[format[row]],
    labelName: (row) => found.labels[label[row]][0],
    flagNames: (row) => (flags ? flags.names.filter((_, at) => flags.bits[row] & (1 << at)) : []),
    // The network's best, as [name, score].
    top: (row) => Array.from({ length: top.k }, (_, at) => {
      const place = row * top.k + at;
      return [top.words[top.label[place]], top.score[place]];
    }),
    truthName: (row) => (truth && truth.word[row] ? truth.words[truth.word[row] - 1] : ""),
    neighbours: (row) => Array.from({ length: nearest ? nearest.k : 0 }, (_, at) => {
      const place = row * nearest.k + at;
      return [nearest.row[place], nearest.cosine[place]];
    }),
  };
}

const rows = readRows();
const RIGHT = 1, WRONG = 2;
