// Asks the agent every second and puts what has changed into the page. Nothing here is ever read as HTML.

import { drawTimeline } from "./timeline.js";

const EVERY_MS = 1000;
const HIDDEN_EVERY_MS = 15000;
const DEADLINE_MS = 4000;
const HISTORY_EVERY_MS = 30000;
const OLD_S = 5;
const LATEST = 20;

const LEVELS = {
  "safe": ["✓", "Safe"],
  "at-risk": ["!", "At risk"],
  "danger": ["✕", "Danger"],
  "unknown": ["?", "Unknown"],
};
const LOST = ["gone", "unknown", "fenced", "forced"];
const BETWEEN = ["promoting", "demoting", "starting", "syncing", "drained"];

const at = (id) => document.getElementById(id);
let answeredAt = null;
let last = null;
let past = null;
let pastFor = null;
let pastAskedAt = -Infinity;
let timer = null;

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function look() {
  clearTimeout(timer);
  try {
    last = await get("api/status");
    answeredAt = performance.now();
    show(last);
    await lookBack();
    showChanges();
  } catch {
    showSilence();
  }
  clearTimeout(timer);
  timer = setTimeout(look, document.hidden ? HIDDEN_EVERY_MS : EVERY_MS);
}

async function lookBack() {
  const key = JSON.stringify([last.pool?.last_change ?? null, last.pool?.active ?? null]);
  if (key === pastFor && performance.now() - pastAskedAt < HISTORY_EVERY_MS) return;
  past = await get("api/history");
  pastFor = key;
  pastAskedAt = performance.now();
  drawPast();
}

function showVerdict(level, text) {
  const [mark, name] = LEVELS[level] ?? LEVELS.unknown;
  setClass(at("verdict"), `verdict ${level in LEVELS ? level : "unknown"}`);
  put(at("mark"), mark);
  put(at("level"), name);
  put(at("text"), text);
  document.title = `${mark} ${name} – ${last?.account_id ?? "hafailover"}`;
}

function showSilence() {
  const host = last ? `The agent of ${last.node}` : "The agent";
  showVerdict("unknown", `${host} does not answer; ask another host`);
  if (answeredAt === null) return;
  put(at("fresh"), `It last answered ${ago((performance.now() - answeredAt) / 1000)}. What is below is of that time.`);
  setClass(at("fresh"), "fresh old");
}

function show(status) {
  put(at("account"), status.account_id);
  put(at("node"), status.node);
  put(at("version"), status.host.agent_version);
  showVerdict(status.verdict.level, status.verdict.text);
  showFreshness(status);
  showProduction(status.pool ?? {});
  showNotes(notes(status));
  showHosts(status);
  showPairs(at("lease"), lease(status));
  showPairs(at("own"), own(status));
}

function showFreshness(status) {
  const age = status.pool_age_s;
  const old = age === null || age > OLD_S;
  setClass(at("fresh"), old ? "fresh old" : "fresh");
  if (age === null) {
    put(at("fresh"), "Consul has not told of the other hosts yet.");
  } else if (old) {
    put(at("fresh"), `Consul last told of the pool ${ago(age)}. What is below of other hosts is of that time.`);
  } else {
    put(at("fresh"), `Asked of Consul within the last ${OLD_S} s.`);
  }
}

// What is wrong stands among the notes, with what to do.
function showProduction(pool) {
  const good = Boolean(pool.production) && pool.producing !== false;
  const sentence = (words) => (words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "");
  const does = good ? `${pool.active} ${pool.production}.` : "";
  const text = [does, sentence(pool.this_epoch), sentence(pool.early_kickout)].filter(Boolean).join(" ");
  at("production").hidden = !text;
  put(at("production"), text);
}

function notes(status) {
  const pool = status.pool ?? {};
  const found = [];
  if (!status.healthy) found.push(`the agent of ${status.node} does not work: ${status.health}`);
  if (status.problem && !status.verdict.text.includes(status.problem)) found.push(status.problem);
  if (pool.producing === false) found.push(`${pool.active} ${pool.production}`);
  if (pool.paused) found.push(`automatic failover is paused ${pool.paused}`);
  for (const one of pool.drained ?? []) found.push(`drained: ${one}`);
  if (pool.plan) found.push(`switchover planned ${pool.plan}`);
  found.push(...(pool.warnings ?? []));
  return found;
}

function showNotes(found) {
  at("attention").hidden = found.length === 0;
  const list = at("notes");
  while (list.children.length > found.length) list.lastChild.remove();
  found.forEach((text, number) => {
    const item = list.children[number] ?? list.appendChild(document.createElement("li"));
    put(item, text);
  });
}

function showHosts(status) {
  const hosts = (status.pool?.hosts ?? []).map((host) => (host.node === status.node ? status.host : host));
  if (!hosts.some((host) => host.node === status.node)) hosts.push(status.host);
  showRows(at("hosts"), hosts.map((host) => ({
    key: host.node,
    cells: [
      { text: host.node },
      { text: host.role, class: `role ${kind(host.role)}` },
      { text: host.ready ? (host.role === "active" ? "signs" : "ready") : "not ready" },
      { text: whole(host.height), class: "number", name: "height" },
      { text: String(host.lag), class: "number", name: "lag" },
      { text: host.peers === null ? "?" : String(host.peers), class: "number", name: "peers" },
      { text: host.neard_version, class: "why", name: "neard" },
      { text: host.reason, class: "why" },
    ],
  })));
}

function kind(role) {
  if (role === "active") return "active";
  if (LOST.includes(role)) return "lost";
  return BETWEEN.includes(role) ? "between" : "waiting";
}

function lease(status) {
  const pool = status.pool;
  const holds = status.host.lease_left_s !== null;
  const known = holds || status.verdict.level !== "unknown";
  const held = holds ? status.node : pool?.active;
  const pairs = [
    known ? ["Signs", held ?? "nobody"] : ["Signs", "not known"],
    ...(known ? [] : [["At that time", held ?? "nobody"]]),
    ["Term", String((holds ? status.host.term : pool?.term) ?? "none")],
    ["Began", pool?.active_since && pool.active === held ? when(pool.active_since, status.at) : "not known"],
  ];
  if (holds) {
    pairs.push(["Runs out", `in ${status.host.lease_left_s.toFixed(1)} s unless renewed`]);
    if (status.last_beat) {
      const took = Math.round(status.last_beat.took_s * 1000);
      pairs.push(["Last renewed", `${status.last_beat.age_s.toFixed(1)} s ago, in ${took} ms`]);
    }
  }
  if (pool?.consul) {
    const servers = pool.consul.servers.length === 1 ? "1 server" : `${pool.consul.servers.length} servers`;
    pairs.push(["Consul", `${servers}, ${pool.consul.leader ? `leader ${pool.consul.leader}` : "no leader"}`]);
  }
  return pairs;
}

function own(status) {
  const host = status.host;
  const pairs = [
    ["Role", `${host.role}, began ${when(host.role_since, status.at)}`],
    ["Agent", status.healthy ? "works" : status.health],
    ["Priority", String(host.priority)],
    ["Timing", host.profile],
  ];
  const shut = Object.entries(host.gates ?? {}).filter(([, text]) => text !== "");
  if (host.role !== "active") {
    const texts = shut.map(([name, text]) => (text === null ? `${name}: not known` : text));
    pairs.push(["Could sign", host.ready ? "yes" : `no: ${texts.join("; ") || host.reason}`]);
  }
  return pairs;
}

function showPairs(list, pairs) {
  while (list.children.length > 2 * pairs.length) list.lastChild.remove();
  pairs.forEach(([name, text], number) => {
    const term = list.children[2 * number] ?? list.appendChild(document.createElement("dt"));
    const value = list.children[2 * number + 1] ?? list.appendChild(document.createElement("dd"));
    put(term, name);
    put(value, text);
  });
}

function showRows(body, rows) {
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  rows.forEach(({ key, cells }, number) => {
    const row = known.get(key) ?? newRow(key, cells.length);
    known.delete(key);
    if (body.rows[number] !== row) body.insertBefore(row, body.rows[number] ?? null);
    cells.forEach((cell, column) => {
      const element = row.cells[column];
      put(element, cell.text);
      setClass(element, cell.class ?? "");
      if (cell.name && element.dataset.name !== cell.name) element.dataset.name = cell.name;
    });
  });
  for (const row of known.values()) row.remove();
}

function newRow(key, columns) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  row.dataset.key = key;
  for (let column = 0; column < columns; column++) {
    const cell = document.createElement(column === 0 ? "th" : "td");
    cell.setAttribute("role", column === 0 ? "rowheader" : "cell");
    if (column === 0) cell.scope = "row";
    row.append(cell);
  }
  return row;
}

function showChanges() {
  const rows = past.changes.slice(-LATEST).reverse();
  at("no-changes").hidden = rows.length > 0;
  at("changes-table").hidden = at("legend").hidden = rows.length === 0;
  showRows(at("changes"), rows.map((row) => ({
    key: String(row.term),
    cells: [
      { text: when(row.at, last.at), class: "when" },
      { text: row.from_node ? `${row.from_node} → ${row.to_node}` : `${row.to_node}, the first`, class: "when" },
      { text: String(row.term), class: "number", name: "term" },
      { text: row.silent_s === null ? "–" : `${row.silent_s.toFixed(1)} s`, class: "number", name: "silent" },
      { text: row.blocks_missed === null ? "–" : String(row.blocks_missed), class: "number", name: "blocks missed" },
      { text: row.production ? `${row.cause}; ${row.to_node} ${row.production}` : row.cause, class: "why" },
    ],
  })));
}

function drawPast() {
  if (!past) return;
  const named = [...(last?.pool?.hosts ?? []).map((host) => host.node), ...past.changes.map((row) => row.to_node)];
  const hosts = [...new Set(named)];
  drawTimeline(at("timeline"), past, hosts, last?.pool?.active ?? null);
}

function whole(number) {
  return number.toLocaleString("en", { useGrouping: true }).replaceAll(",", "\u202f");
}

function when(text, now) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return "not known";
  const [day, clock] = time.toISOString().split("T");
  const date = day === new Date(now).toISOString().split("T")[0] ? "" : `${day} `;
  return `${ago((new Date(now) - time) / 1000)}, ${date}${clock.slice(0, 8)} UTC`;
}

function ago(seconds) {
  const count = Math.max(0, Math.round(seconds));
  if (count < 90) return `${count} s ago`;
  if (count < 5400) return `${Math.round(count / 60)} min ago`;
  if (count < 129600) return `${Math.round(count / 3600)} h ago`;
  return `${Math.round(count / 86400)} days ago`;
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
new ResizeObserver(drawPast).observe(at("timeline"));
look();
