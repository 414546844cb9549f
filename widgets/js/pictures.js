// What a lane looks like with some of its boxes closed: the lane's own data made ready once, laid out as often as boxes change.
import { grow, layOut } from "./placing.js";

const ready = new WeakMap(); // what a lane's layout needs → the same as a tree

// { tree, edges, role, levels, number: node → its place in the order }
export function whole(lane) {
  const { widths, at, paths, edges: ends, roles } = lane.drawn;
  let made = ready.get(lane.drawn);
  if (made) return made;
  const ids = Object.keys(lane.nodes), pins = { input: "top", output: "bottom" };
  const tree = grow(ids.map((id, index) => ({ id, label: lane.nodes[id][1], width: widths[index], path: paths[at[index]], pin: pins[lane.nodes[id][0]] || "", seq: lane.nodes[id][6] })));
  const edges = [];
  for (let index = 0; index < ends.length; index += 2) edges.push([ends[index], ends[index + 1]]);
  made = { tree, edges, role: (box) => roles[box.replace(/#\d+$/, "")] || "", levels: tree.boxes.reduce((most, box) => Math.max(most, tree.depth[box]), 0), number: new Map(ids.map((id, index) => [id, index])) };
  ready.set(lane.drawn, made);
  return made;
}

export function pictureOf(lane, closed) {
  const { tree, edges, role } = whole(lane);
  return layOut(tree, edges, closed, role);
}

// Boxes from `level` on are closed: the level that opens most while no more than `limit` things are seen.
export function levelWithin(lane, limit) {
  const { tree, levels } = whole(lane);
  for (let level = 0, seen = tree.children.get(tree.root).length; level < levels; level += 1) {
    for (const box of tree.boxes) if (tree.depth[box] - 1 === level) seen += tree.children.get(box).length - 1;
    if (seen > limit) return level;
  }
  return levels;
}

// The boxes around a node, outermost first.
export function around(lane, id) {
  const { tree, number } = whole(lane), boxes = [];
  for (let box = tree.parent[number.get(id)]; box !== tree.root; box = tree.parent[box]) boxes.unshift(tree.names.get(box));
  return boxes;
}

// The nodes in a box.
export function inside(lane, id) {
  const { tree } = whole(lane), box = tree.boxes.find((one) => tree.names.get(one) === id);
  return box === undefined ? [] : tree.nodes.slice(tree.start[box], tree.end[box]).map((node) => node.id);
}

// The same box in every module of a repetition; of the repetition itself its modules, and it.
export function alike(lane, id) {
  const { tree } = whole(lane), box = tree.boxes.find((one) => tree.names.get(one) === id);
  if (box === undefined) return [];
  if (/ ×\d+$/.test(tree.paths.get(box).at(-1))) return [id, ...tree.children.get(box).filter((child) => child > tree.root).map((child) => tree.names.get(child))];
  const kind = (name) => name.replace(/\.\d+(?=[.#]|$)/g, ".*");
  return [...tree.names.values()].filter((name) => kind(name) === kind(id));
}

// A repetition is named by how many modules it has, and more may come.
export const stable = (id) => id.replace(/ ×\d+/g, "");
