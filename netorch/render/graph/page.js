"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const stage = get("stage"), svg = stage.querySelector("svg"), view = svg.querySelector("#view"), panel = get("panel");
  const search = get("search"), matches = get("found");
  const size = svg.viewBox.baseVal, whole = { width: size.width, height: size.height };
  svg.removeAttribute("viewBox");
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  const things = [...view.querySelectorAll(".thing")].sort((a, b) => a.dataset.thing - b.dataset.thing);
  const edges = [...view.querySelectorAll(".edge")].map((group) => ({ group, ends: group.dataset.ends.split(" ") }));
  const KINDS = { node: "node", router: "node that forwards", host: "the machine itself", network: "network" };
  const at = { x: 0, y: 0, scale: 1 };
  // until the user moves the picture, it fits itself again when the window changes its size
  let fitted = true;
  let chosen = null, hits = [], current = -1, opener = null;

  // position of the picture

  const draw = () => {
    view.setAttribute("transform", `translate(${at.x.toFixed(2)} ${at.y.toFixed(2)}) scale(${at.scale.toFixed(4)})`);
    // hides texts that are too small to read
    svg.classList.toggle("far", at.scale < 0.6);
    svg.classList.toggle("farther", at.scale < 0.42);
  };
  const room = () => stage.getBoundingClientRect();
  const zoom = (factor, x = room().width / 2, y = room().height / 2) => {
    const scale = Math.min(8, Math.max(0.02, at.scale * factor)), ratio = scale / at.scale;
    at.x = x - (x - at.x) * ratio;
    at.y = y - (y - at.y) * ratio;
    at.scale = scale;
    fitted = false;
    draw();
  };
  const move = (x, y) => { at.x += x; at.y += y; fitted = false; draw(); };
  const fit = () => {
    const { width, height } = room();
    at.scale = Math.min(1.6, width / whole.width, height / whole.height);
    at.x = (width - whole.width * at.scale) / 2;
    at.y = (height - whole.height * at.scale) / 2;
    fitted = true;
    draw();
  };
  const resized = () => { if (fitted) fit(); };
  const reveal = (thing, always) => {
    const box = thing.getBoundingClientRect(), frame = room();
    const x = box.x + box.width / 2 - frame.x, y = box.y + box.height / 2 - frame.y;
    const inside = x > 40 && y > 40 && x < frame.width - 40 && y < frame.height - 40;
    if (always || !inside) move(frame.width / 2 - x, frame.height / 2 - y);
  };
  const approach = (thing) => {
    if (at.scale < 0.8) zoom(0.8 / at.scale);
    reveal(thing, true);
  };

  // details

  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const row = (entry) => {
    const item = make("li");
    if (entry.status !== "ok") {
      item.className = "drift";
      item.append(make("b", entry.status), ": ");
    }
    item.append(entry.text);
    if (entry.more.length) {
      const list = make("ul");
      list.append(...entry.more.map((line) => make("li", line)));
      item.append(list);
    }
    return item;
  };
  const highlight = () => {
    for (const { group, ends } of edges) group.classList.toggle("lit", chosen !== null && ends.includes(chosen.dataset.thing));
  };
  const open = (thing) => {
    const about = data.things[thing.dataset.thing];
    if (chosen) chosen.classList.remove("chosen");
    chosen = opener = thing;
    chosen.classList.add("chosen");
    get("panel-name").textContent = about.name;
    const kind = get("panel-kind");
    kind.textContent = [KINDS[about.kind], about.tag].filter(Boolean).join(", ");
    if (about.status !== "ok") kind.append(" ", make("b", about.status, "drift"));
    const body = get("panel-body");
    body.replaceChildren();
    for (const section of about.sections) {
      const list = make("ul");
      list.append(...section.rows.map(row));
      body.append(make("h3", section.title), list);
    }
    if (about.yaml) {
      const text = make("pre", about.yaml);
      text.tabIndex = 0;
      body.append(make("h3", data.live ? "As the file has it" : "YAML"), text);
    }
    panel.hidden = false;
    panel.scrollTop = 0;
    highlight();
    resized();
    reveal(thing, false);
    panel.focus({ preventScroll: true });
  };
  const close = () => {
    if (panel.hidden) return false;
    panel.hidden = true;
    if (chosen) chosen.classList.remove("chosen");
    chosen = null;
    highlight();
    resized();
    if (opener) opener.focus({ preventScroll: true });
    return true;
  };

  // search

  const searchTexts = data.things.map((about) =>
    [about.name, about.tag, ...about.sections.flatMap((section) => section.rows.flatMap((entry) => [entry.text, ...entry.more]))].join("\n").toLowerCase());
  const update = () => {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    hits = words.length ? things.filter((thing) => words.every((word) => searchTexts[thing.dataset.thing].includes(word))) : [];
    const rank = (thing) => {
      const name = data.things[thing.dataset.thing].name.toLowerCase();
      return name === words[0] ? 0 : name.startsWith(words[0]) ? 1 : name.includes(words[0]) ? 2 : 3;
    };
    hits.sort((a, b) => rank(a) - rank(b));
    current = -1;
    const numbers = new Set(hits.map((thing) => thing.dataset.thing));
    for (const thing of things) {
      thing.classList.toggle("hit", numbers.has(thing.dataset.thing));
      thing.classList.toggle("dim", words.length > 0 && !numbers.has(thing.dataset.thing));
    }
    for (const { group, ends } of edges) group.classList.toggle("dim", words.length > 0 && !ends.some((end) => numbers.has(end)));
    matches.textContent = !words.length ? "" : hits.length === 1 ? "1 match" : `${hits.length} matches`;
  };
  const next = () => {
    if (!hits.length) return;
    current = (current + 1) % hits.length;
    matches.textContent = `${current + 1} of ${hits.length}`;
    approach(hits[current]);
    open(hits[current]);
    search.focus();
  };

  // mouse, touch, wheel

  const pointers = new Map();
  let travelled = 0;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event);
    travelled = 0;
  });
  addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 2) {
      const [other] = [...pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
      const gap = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY) || 1;
      const frame = room();
      zoom(gap(event) / gap(before), (event.clientX + other.clientX) / 2 - frame.x, (event.clientY + other.clientY) / 2 - frame.y);
    } else if (travelled > 4) {
      stage.classList.add("moving");
      move(dx, dy);
    }
    pointers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"])
    addEventListener(name, (event) => { pointers.delete(event.pointerId); stage.classList.remove("moving"); });
  stage.addEventListener("click", (event) => {
    if (travelled > 4) return;
    const thing = event.target.closest(".thing");
    if (thing) open(thing); else close();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = room(), step = event.deltaMode ? event.deltaY * 30 : event.deltaY;
    zoom(Math.exp(-Math.max(-240, Math.min(240, step)) * 0.0022), event.clientX - frame.x, event.clientY - frame.y);
  }, { passive: false });
  stage.addEventListener("focusin", (event) => {
    const thing = event.target.closest(".thing");
    if (thing && thing.matches(":focus-visible")) reveal(thing, false);
  });

  // buttons and keys

  const theme = () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  };
  const help = () => {
    get("keys").hidden = !get("keys").hidden;
    get("help").setAttribute("aria-expanded", String(!get("keys").hidden));
  };
  get("in").addEventListener("click", () => zoom(1.3));
  get("out").addEventListener("click", () => zoom(1 / 1.3));
  get("fit").addEventListener("click", fit);
  get("theme").addEventListener("click", theme);
  get("help").addEventListener("click", help);
  get("close").addEventListener("click", close);
  search.addEventListener("input", update);
  get("find").addEventListener("submit", (event) => { event.preventDefault(); next(); });
  const KEYS = {
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), "0": fit, "/": () => { search.focus(); search.select(); }, "?": help,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const thing = event.target.closest(".thing");
    if (event.key === "Escape") {
      if (!close() || event.target === search) { search.value = ""; update(); }
      return;
    }
    if (event.target === search) return;
    if (thing && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      open(thing);
    } else if (KEYS[event.key] && !(panel.contains(event.target) && event.key.startsWith("Arrow"))) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
  addEventListener("resize", resized);
  fit();
})();
