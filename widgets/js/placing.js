// The layout of tracer/layout, for a page: the same rows, columns and edges, so that boxes open and close without a kernel and a
// picture can be tried in sizes. Boxes are measured from the inside out, then everything is placed from the outside in.
// What each step does and why is told there, file by file: tree, ranks, rows, place. tests/widgets/test_placing.py holds both against each other.

export const METRICS = {
  node_height: 20, row_gap: 10, column_gap: 14, lane: 4, padding: 10, header: 26, row_width: 960, stub_gap: 6, stub_height: 14,
  stub_text: 5.6, stub_padding: 14, box_text: 6.8, box_padding: 34, longest_edge: 3,
};
const ASIDE = 1 / 64, STUB_NAME = 16;
const letters = (text) => [...text].length;

// ---- tree: nodes [{ id, label, width, path, pin, seq }] in order → items: 0 … n-1 the nodes, n the root, then boxes, outer before inner

export function grow(nodes) {
  const root = nodes.length, calls = new Map();
  const tree = { nodes, root, parent: new Array(root + 1).fill(root), depth: [...new Array(root).fill(1), 0], children: new Map([[root, []]]), paths: new Map([[root, []]]), names: new Map([[root, ""]]), start: [], end: [], births: [], boxes: [] };
  tree.start[root] = 0;
  tree.end[root] = root;
  const stack = [root];
  let before = [];
  nodes.forEach(({ path, seq }, index) => {
    let common = 0;
    while (common < path.length && common < before.length && path[common] === before[common]) common += 1;
    for (const box of stack.splice(common + 1)) tree.end[box] = index;
    for (let length = common + 1; length <= path.length; length += 1) stack.push(newBox(tree, path.slice(0, length), stack.at(-1), index, calls));
    before = path;
    const top = stack.at(-1);
    tree.parent[index] = top;
    tree.depth[index] = stack.length;
    tree.children.get(top).push(index);
    for (const box of stack) tree.births[box] = Math.min(tree.births[box] ?? Infinity, seq || 0);
  });
  for (const box of stack) tree.end[box] = root;
  return tree;
}

function newBox(tree, path, outer, index, calls) {
  const box = tree.parent.length, key = path.join("\0"), number = (calls.get(key) || 0) + 1;
  calls.set(key, number);
  tree.parent.push(outer);
  tree.depth.push(tree.depth[outer] + 1);
  tree.children.set(box, []);
  tree.children.get(outer).push(box);
  tree.paths.set(box, path);
  tree.names.set(box, path.join(".") + (number > 1 ? `#${number}` : ""));
  tree.start[box] = index;
  tree.boxes.push(box);
  return box;
}

// `closed(box)`: whether a box stands for its nodes. Says which boxes are open, and for each node what is seen of it.
function settle(tree, closed) {
  const open = [tree.root], reached = new Set(open), visible = tree.nodes.map((_, index) => index);
  for (const box of tree.boxes) {
    if (!reached.has(tree.parent[box])) continue;
    if (closed(box)) visible.fill(box, tree.start[box], tree.end[box]);
    else {
      reached.add(box);
      open.push(box);
    }
  }
  return { open, visible };
}

// ---- ranks

function rank(tree, edges, seen) {
  const of = [], rows = new Map(), above = new Map(), drawn = new Map(), links = [];
  const lifted = lift(tree, edges, seen.visible, above);
  for (const box of seen.open) rankChildren(tree, box, of, rows, above);
  const heights = heightsOf(tree, seen.open, of, rows), wide = widesOf(tree, seen.open, of, rows), size = tree.parent.length, pairs = new Set();
  for (const [source, target, high, low] of lifted) {
    let short = Math.max(0, of[low] - of[high] - 1) < METRICS.longest_edge;
    if (short) {
      const broken = wide.get(tree.parent[high]), more = (row) => broken?.get(row) ?? 0;
      let passed = more(of[high]) + more(of[low]);
      for (let row = of[high] + 1; row < of[low]; row += 1) passed += heights.get(tree.parent[high])[row] * (1 + more(row));
      short = passed < METRICS.longest_edge;
    }
    const isDrawn = short && borders(tree, of, rows, wide, source, target, high, low);
    links.push([source, target, high, low, isDrawn]);
    if (isDrawn && !pairs.has(high * size + low)) {
      pairs.add(high * size + low);
      listed(drawn, low).push(high);
    }
  }
  return { of, rows, above, drawn, links };
}

function listed(map, key) {
  let list = map.get(key);
  if (!list) map.set(key, (list = []));
  return list;
}

function widesOf(tree, open, of, rows) {
  const wide = new Map();
  for (const box of open) {
    const widths = new Array(rows.get(box)).fill(0);
    for (const child of tree.children.get(box)) widths[of[child]] += (child < tree.root ? tree.nodes[child].width : labelOf(tree, child)) + METRICS.column_gap;
    widths.forEach((width, row) => width > METRICS.row_width && (wide.get(box) || wide.set(box, new Map()).get(box)).set(row, Math.floor(width / METRICS.row_width)));
  }
  return wide;
}

// A box's name and size, and the sign before them.
export const labelWidth = (name, count) => Math.ceil(METRICS.box_text * letters(`${name} ${count.toLocaleString("en-US")} ops`) + METRICS.box_padding);
const labelOf = (tree, box) => labelWidth(tree.paths.get(box).at(-1), tree.end[box] - tree.start[box]);

function heightsOf(tree, open, of, rows) {
  const whole = new Map(), heights = new Map();
  for (const box of [...open].reverse()) {
    const own = new Array(rows.get(box)).fill(1);
    for (const child of tree.children.get(box)) if (whole.has(child) && whole.get(child) > own[of[child]]) own[of[child]] = whole.get(child);
    heights.set(box, own);
    whole.set(box, own.reduce((a, b) => a + b, 0) + 1);
  }
  return heights;
}

function lift(tree, edges, visible, above) {
  const { parent, depth } = tree, size = parent.length, seen = new Set(), pairs = new Set(), lifted = [];
  for (const [from, to] of edges) {
    if (from >= to) continue;
    const source = visible[from], target = visible[to];
    if (source === target || seen.has(source * size + target)) continue;
    seen.add(source * size + target);
    let high = source, low = target;
    while (parent[high] !== parent[low]) depth[high] >= depth[low] ? (high = parent[high]) : (low = parent[low]);
    lifted.push([source, target, high, low]);
    if (!pairs.has(high * size + low)) {
      pairs.add(high * size + low);
      listed(above, low).push(high);
    }
  }
  return lifted;
}

function rankChildren(tree, box, of, rows, above) {
  const unread = new Set(), bottom = [];
  let deepest = -1, most = -1;
  for (const child of tree.children.get(box)) {
    const read = above.get(child) || [], pin = child < tree.root ? tree.nodes[child].pin : "";
    let own = 0;
    for (const other of read) if (of[other] >= own) own = of[other] + 1;
    of[child] = own;
    if (pin === "bottom") {
      bottom.push(child);
      continue;
    }
    if (!pin && !read.length) unread.add(child);
    for (const other of read) if (unread.delete(other)) of[other] = own - 1;
    if (own > deepest) deepest = own;
  }
  for (const child of bottom) of[child] = Math.max(of[child], deepest + 1);
  for (const child of tree.children.get(box)) most = Math.max(most, of[child]);
  rows.set(box, most + 1);
}

function borders(tree, of, rows, wide, source, target, high, low) {
  while (source !== high) {
    const box = tree.parent[source];
    if (of[source] !== rows.get(box) - 1 || wide.get(box)?.has(of[source])) return false;
    source = box;
  }
  while (target !== low) {
    if (of[target] !== 0 || wide.get(tree.parent[target])?.has(0)) return false;
    target = tree.parent[target];
  }
  return true;
}

// ---- rows: a lane, where an edge passes a row, is { high, low, row }

function rowsOf(tree, ranks, box, extents) {
  const keys = keysOf(tree, ranks, box), { of, drawn } = ranks, position = (item) => (item < tree.root ? item : tree.start[item]);
  const children = Array.from({ length: ranks.rows.get(box) }, () => []), rows = [], at = new Map(), rankedAs = [];
  for (const child of tree.children.get(box)) children[of[child]].push([keys.get(child), position(child), child]);
  children.forEach((ranked, number) => {
    for (const row of ranked.length > 1 ? broken(ranked.sort(byKey), extents) : [ranked]) {
      for (const entry of row) at.set(entry[2], rows.length);
      rows.push([...row]);
      rankedAs.push(number);
    }
  });
  for (const child of tree.children.get(box)) {
    for (const other of drawn.get(child) || []) {
      const passing = (keys.get(child) + keys.get(other)) / 2 + ASIDE / 2;
      for (let between = at.get(other) + 1; between < at.get(child); between += 1) {
        const rank_ = rankedAs[between], key = rank_ === of[child] ? keys.get(child) : rank_ === of[other] ? keys.get(other) : passing;
        rows[between].push([key, position(child), { high: other, low: child, row: between }]);
      }
    }
  }
  return rows.map((row) => row.sort(byKey).map((entry) => entry[2]));
}

const byKey = (a, b) => a[0] - b[0] || a[1] - b[1];

function keysOf(tree, ranks, box) {
  const { of, above } = ranks, keys = new Map(), taken = new Map(), sources = [];
  let tops = 0, loose = 0;
  for (const child of tree.children.get(box)) {
    const read = above.get(child);
    let key;
    if (read?.length) {
      let near = (ranks.drawn.get(child) || []).filter((other) => keys.has(other));
      if (!near.length) near = read.filter((other) => keys.has(other));
      key = near.length ? near.reduce((sum, other) => sum + keys.get(other), 0) / near.length : 0;
      for (const other of read) if (!keys.has(other)) keys.set(other, key - ASIDE);
    } else if (child < tree.root && tree.nodes[child].pin) key = tops++;
    else {
      loose += 1;
      if (of[child]) {
        sources.push(child);
        continue;
      }
      key = tops - 1 + loose * ASIDE;
    }
    const place = `${of[child]}:${key}`, count = taken.get(place) || 0;
    taken.set(place, count + 1);
    keys.set(child, key + count * ASIDE);
  }
  for (const child of sources) if (!keys.has(child)) keys.set(child, 0);
  return keys;
}

function broken(row, extents) {
  const rows = [[]];
  let width = 0;
  for (const entry of row) {
    const { left, right } = extents.get(entry[2]), wide = left + right;
    if (width && width + wide > METRICS.row_width) {
      rows.push([]);
      width = 0;
    }
    rows.at(-1).push(entry);
    width += wide + METRICS.column_gap;
  }
  return rows;
}

const lane = ({ high, low }, row) => `${high}:${low}:${row}`;

function columns(rows, ranks, extents, ports) {
  const axes = new Map(), lanes = new Map(), half = METRICS.lane / 2;
  rows.forEach((row, at) => {
    const wanted = row.map((item) => wantedBy(item, at, ranks, axes, lanes, ports));
    const side = (name) => row.map((item) => (item.high === undefined ? extents.get(item)[name] : half));
    const placed = row.length === 1 ? [wanted[0] || 0] : spread(wanted, side("left"), side("right"), METRICS.column_gap);
    row.forEach((item, number) => {
      const snapped = Math.floor(placed[number] * 4 + 0.5) / 4;
      item.high === undefined ? axes.set(item, snapped) : lanes.set(lane(item, at), snapped);
    });
  });
  return { axes, lanes };
}

function wantedBy(item, row, ranks, axes, lanes, ports) {
  const below = (other) => axes.get(other) + (ports.get(other)?.[1] ?? 0);
  if (item.high !== undefined) return lanes.get(lane(item, row - 1)) ?? below(item.high);
  const read = ranks.drawn.get(item);
  if (!read) return null;
  let total = 0;
  for (const other of read) total += lanes.get(lane({ high: other, low: item }, row - 1)) ?? below(other);
  return total / read.length - (ports.get(item)?.[0] ?? 0);
}

function spread(wanted, left, right, gap) {
  if (wanted.length === 2) {
    const first = wanted[0] ?? wanted[1] ?? 0, second = wanted[1] ?? first;
    const push = Math.max(0, right[0] + gap + left[1] - (second - first)) / 2;
    return [first - push, second + push];
  }
  let offset = 0;
  const offsets = [], blocks = [];
  wanted.forEach((given, number) => {
    if (number) offset += right[number - 1] + gap + left[number];
    offsets.push(offset);
    blocks.push([(given ?? beside(wanted, number)) - offset, 1, number]);
    while (blocks.length > 1 && blocks.at(-2)[0] * blocks.at(-1)[1] >= blocks.at(-1)[0] * blocks.at(-2)[1]) {
      const [total, count] = blocks.pop();
      blocks.at(-1)[0] += total;
      blocks.at(-1)[1] += count;
    }
  });
  return blocks.flatMap(([total, count, first]) => Array.from({ length: count }, (_, step) => total / count + offsets[first + step]));
}

function beside(wanted, number) {
  for (let other = number - 1; other > Math.max(-1, number - 4); other -= 1) if (wanted[other] !== null) return wanted[other];
  for (let other = number + 1; other < Math.min(wanted.length, number + 4); other += 1) if (wanted[other] !== null) return wanted[other];
  return 0;
}

// ---- place: a picture { nodes: [[id, x, y, w, h]], boxes: [[id, x, y, w, h, nodes, open, depth, seq, role, name]], routes: [[from, to, x, y, …]],
//      stubs: [[node, side, text, others, x, y, w, h]], size }. `edges`: [[from, to]] as numbers of nodes; `closed(id, depth)`; `role(id)`: of a body.

export function layOut(tree, edges, closed = () => false, role = () => "") {
  const seen = settle(tree, (box) => closed(tree.names.get(box), tree.depth[box] - 1)), ranks = rank(tree, edges, seen);
  const one = { tree, ranks, seen, out: new Map(), into: new Map(), widths: new Map(), pills: [], extents: new Map(), ports: new Map(), inside: new Map(), spots: new Map(), lanes: new Map(), floors: new Map(), rows: new Map(), entered: new Map() };
  for (const [source, target, , low, isDrawn] of ranks.links) {
    if (!isDrawn) {
      listed(one.out, source).push(target);
      listed(one.into, target).push(source);
    }
    for (let holder = target; isDrawn && holder !== low;) listed(one.entered, (holder = tree.parent[holder])).push(target);
  }
  for (const box of [...seen.open].reverse()) {
    for (const child of tree.children.get(box)) if (!one.extents.has(child)) one.extents.set(child, leaf(one, child));
    one.extents.set(box, measure(one, box));
  }
  const whole = one.extents.get(tree.root);
  one.spots.set(tree.root, [whole.left, 0]);
  for (const box of seen.open) place(one, box);
  return { nodes: nodesOf(one), boxes: boxesOf(one, role), routes: routesOf(one), stubs: stubsOf(one), size: [whole.left + whole.right, whole.height] };
}

function leaf(one, item) {
  const { tree, out, into } = one;
  const width = item < tree.root ? tree.nodes[item].width : labelOf(tree, item);
  one.widths.set(item, width);
  let left = width / 2, right = width / 2;
  if (into.has(item)) left += METRICS.stub_gap + pill(one, "in", item, Math.max(...into.get(item)));
  if (out.has(item)) right += METRICS.stub_gap + pill(one, "out", item, Math.min(...out.get(item)));
  return { left, right, height: METRICS.node_height };
}

function measure(one, box) {
  const { tree, extents } = one, rows = rowsOf(tree, one.ranks, box, extents);
  const { axes, lanes } = columns(rows, one.ranks, extents, one.ports);
  findPorts(one, box, axes);
  const heights = rows.map((row) => row.reduce((most, item) => (item.high === undefined ? Math.max(most, extents.get(item).height) : most), 0));
  one.inside.set(box, { rows, heights, axes, lanes });
  let left = axes.size ? -Infinity : 0, right = left;
  for (const [child, axis] of axes) {
    left = Math.max(left, extents.get(child).left - axis);
    right = Math.max(right, extents.get(child).right + axis);
  }
  for (const axis of lanes.values()) {
    left = Math.max(left, METRICS.lane / 2 - axis);
    right = Math.max(right, METRICS.lane / 2 + axis);
  }
  const height = heights.reduce((a, b) => a + b, 0) + METRICS.row_gap * Math.max(0, rows.length - 1);
  if (box === tree.root) return { left, right, height };
  const label = labelOf(tree, box);
  left += METRICS.padding;
  right += METRICS.padding;
  for (const target of one.entered.get(box) || []) left = Math.max(left, label - entry(one, target, box));
  const short = Math.max(0, label - left - right) / 2;
  return { left: left + short, right: right + short, height: METRICS.header + height + METRICS.padding };
}

function entry({ tree, inside }, target, box) {
  let away = 0;
  for (let item = target; item !== box; item = tree.parent[item]) away += inside.get(tree.parent[item]).axes.get(item);
  return away;
}

function findPorts({ ranks, ports }, box, axes) {
  const last = ranks.rows.get(box) - 1, first = [], final = [];
  for (const [child, axis] of axes) {
    if (ranks.of[child] === 0) first.push(axis + (ports.get(child)?.[0] ?? 0));
    if (ranks.of[child] === last) final.push(axis + (ports.get(child)?.[1] ?? 0));
  }
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  if (first.length && final.length) ports.set(box, [mean(first), mean(final)]);
}

function place(one, box) {
  const { rows, heights, axes, lanes } = one.inside.get(box);
  let [axis, top] = one.spots.get(box);
  if (box !== one.tree.root) top += METRICS.header;
  rows.forEach((row, number) => {
    for (const item of row) {
      if (item.high !== undefined) one.lanes.set(lane(item, number), [axis + lanes.get(lane(item, number)), top, top + heights[number]]);
      else {
        one.rows.set(item, number);
        one.spots.set(item, [axis + axes.get(item), top]);
        if (one.extents.get(item).height < heights[number]) one.floors.set(item, top + heights[number]);
      }
    }
    top += heights[number] + METRICS.row_gap;
  });
}

const nameOf = ({ nodes, root, names }, item) => (item < root ? nodes[item].id : names.get(item));

function nodesOf({ tree, spots }) {
  return tree.nodes.flatMap(({ id, width }, item) => (spots.has(item) ? [[id, spots.get(item)[0] - width / 2, spots.get(item)[1], width, METRICS.node_height]] : []));
}

function boxesOf({ tree, spots, extents, widths, seen }, role) {
  const opened = new Set(seen.open);
  return tree.boxes.filter((item) => spots.has(item)).map((item) => {
    const [axis, top] = spots.get(item), open = opened.has(item), { left, right, height } = open ? extents.get(item) : { left: widths.get(item) / 2, right: widths.get(item) / 2, height: METRICS.node_height };
    const id = tree.names.get(item);
    return [id, axis - left, top, left + right, height, tree.end[item] - tree.start[item], Number(open), tree.depth[item] - 1, tree.births[item], role(id), tree.paths.get(item).at(-1)];
  });
}

function routesOf({ tree, ranks, rows, lanes, spots, extents, floors }) {
  return ranks.links.filter((link) => link[4]).map(([source, target, high, low]) => {
    const [axis, top] = spots.get(source), points = [axis, top + extents.get(source).height];
    const floor = floors.get(high) ?? spots.get(high)[1] + extents.get(high).height;
    if (floor > points[1]) points.push(axis, floor);
    for (let between = rows.get(high) + 1; between < rows.get(low); between += 1) {
      const [x, above, below] = lanes.get(lane({ high, low }, between));
      points.push(x, above, x, below);
    }
    if (low !== target) points.push(spots.get(target)[0], spots.get(low)[1]);
    return [nameOf(tree, source), nameOf(tree, target), ...points, ...spots.get(target)];
  });
}

function pill(one, side, item, nearest) {
  const { tree } = one, letter = [...(nearest < tree.root ? tree.nodes[nearest].label : tree.paths.get(nearest).at(-1))];
  const name = letter.length > STUB_NAME ? letter.slice(0, STUB_NAME - 1).join("") + "…" : letter.join("");
  const more = one[side === "in" ? "into" : "out"].get(item).length - 1, text = more ? `${name} +${more}` : name;
  const width = Math.ceil(METRICS.stub_text * (letters(text) + 2) + METRICS.stub_padding);
  one.pills.push([side, item, text, width]);
  return width;
}

function stubsOf(one) {
  const { tree, spots, widths } = one, position = (item) => (item < tree.root ? item : tree.start[item]), down = (METRICS.node_height - METRICS.stub_height) / 2;
  return one.pills.map(([side, item, text, width]) => {
    const others = [...one[side === "in" ? "into" : "out"].get(item)].sort((a, b) => (side === "in" ? position(b) - position(a) : position(a) - position(b)));
    const [axis, top] = spots.get(item), reach = widths.get(item) / 2 + METRICS.stub_gap;
    return [nameOf(tree, item), side, text, others.map((other) => nameOf(tree, other)), side === "out" ? axis + reach : axis - reach - width, top + down, width, METRICS.stub_height];
  });
}
