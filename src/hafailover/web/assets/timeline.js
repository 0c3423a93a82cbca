// The picture of who signed when: a lane for each host, a bar for each term, a mark for each change.

const NS = "http://www.w3.org/2000/svg";
const SHOWN = 12;
const LANE = 30;
const BAR = 14;
const TOP = 8;
const LEFT = 84;
const RIGHT = 12;
const FRESH_S = 5;
const LONGEST_NAME = 11;
const HANDED_OVER = /hand|switchover|drain|order|drill/i;

function make(parent, name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// Terms as bars: from the loaded key to where the next one's silence began.
// The last one is known up to the last look at Consul.
export function bars(changes, now, active) {
  return changes.map((change, number) => {
    const next = changes[number + 1];
    const from = Date.parse(change.at);
    const silent = next ? 1000 * (next.silent_s ?? 0) : 0;
    const until = next ? Math.max(from, Date.parse(next.at) - silent) : now;
    const over = !next && (change.ended || (active !== null && active !== change.to_node));
    return { change, from, until, over, silentUntil: next ? Date.parse(next.at) : until };
  });
}

export function drawTimeline(container, history, hosts, active) {
  container.replaceChildren();
  const changes = history.changes.slice(-SHOWN);
  if (changes.length === 0) return;
  const now = Date.parse(history.at);
  const terms = bars(changes, history.age_s > FRESH_S ? now - 1000 * history.age_s : now, active);
  const begin = Math.min(terms[0].from, now - 60000);
  const width = Math.max(260, container.clientWidth);
  const height = TOP + hosts.length * LANE + 26;
  const x = (time) => LEFT + ((width - LEFT - RIGHT) * (time - begin)) / (now - begin);
  const y = (node) => TOP + hosts.indexOf(node) * LANE + LANE / 2;

  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${describe(terms)} The table below has it in words.`);

  for (let tick = 0; tick <= 2; tick++) {
    const time = begin + ((now - begin) * tick) / 2;
    make(svg, "line", { class: "tick", x1: x(time), x2: x(time), y1: 0, y2: height - 20 });
    const anchor = ["start", "middle", "end"][tick];
    make(svg, "text", { x: x(time), y: height - 6, "text-anchor": anchor }, tick === 2 ? "now" : label(time, now - begin));
  }
  for (const node of hosts) {
    const name = node.length > LONGEST_NAME ? `${node.slice(0, LONGEST_NAME - 1)}…` : node;
    make(svg, "text", { x: 0, y: y(node) + 4 }, name);
    make(svg, "line", { class: "lane", x1: LEFT, x2: width - RIGHT, y1: y(node), y2: y(node) });
  }
  for (const { change, from, until, over, silentUntil } of terms) {
    const bar = make(svg, "rect", {
      class: over ? "term over" : "term",
      x: x(from), y: y(change.to_node) - BAR / 2, width: Math.max(2, x(until) - x(from)), height: BAR, rx: 3,
    });
    make(bar, "title", {}, `${change.to_node} signed in term ${change.term}`);
    if (silentUntil > until) {
      const gap = make(svg, "rect", {
        class: "gap", x: x(until), y: y(change.to_node) - 2, width: Math.max(2, x(silentUntil) - x(until)), height: 4,
      });
      make(gap, "title", {}, `nobody was heard for ${((silentUntil - until) / 1000).toFixed(1)} s`);
    }
  }
  for (const { change, from } of terms) {
    if (!hosts.includes(change.from_node)) continue;
    make(svg, "line", { class: "move", x1: x(from), x2: x(from), y1: y(change.from_node), y2: y(change.to_node) });
    mark(svg, x(from), y(change.to_node), HANDED_OVER.test(change.cause) ? "●" : "▲", `${change.at}: ${change.cause}`);
  }
  for (const drill of history.drills) {
    const time = Date.parse(drill.at);
    if (time < begin || !hosts.includes(drill.node)) continue;
    mark(svg, x(time), y(drill.node), "■", `${drill.at}: drill, ${drill.cause}`);
  }
  container.append(svg);
}

function mark(svg, x, y, sign, words) {
  const element = make(svg, "text", { class: "event", x, y: y - 8, "text-anchor": "middle" }, sign);
  make(element, "title", {}, words);
}

function label(time, span) {
  const text = new Date(time).toISOString();
  if (span >= 86400000) return text.slice(0, 10);
  return span < 600000 ? text.slice(11, 19) : `${text.slice(11, 16)} UTC`;
}

function describe(terms) {
  const moves = terms.filter(({ change }) => change.from_node).length;
  const latest = terms.at(-1).change;
  return `Picture of who signed when: ${moves} changes shown; the latest signer is ${latest.to_node}, since ${latest.at}.`;
}
