"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const stage = get("stage"), svg = stage.querySelector("svg"), view = svg.querySelector("#view"), panel = get("panel");
  const search = get("search"), matches = get("found");
  const size = svg.viewBox.baseVal, whole = { width: size.width, height: size.height };
  for (const name of ["viewBox", "width", "height"]) svg.removeAttribute(name);
  const things = [...view.querySelectorAll(".thing")].sort((a, b) => a.dataset.thing - b.dataset.thing);
  const edges = [...view.querySelectorAll(".edge")].map((group) => ({ group, ends: group.dataset.ends.split(" ") }));
  const KINDS = {
    node: "node", router: "node that forwards", host: "the machine itself", network: "network", machine: "machine",
    cable: "cable", owner: "the network's bridge or device in a node", tunnel: "tunnel", parent: "parent interface in another node",
  };
  const at = { x: 0, y: 0, scale: 1 };
  // until the user moves the picture, it fits itself again when the window changes its size
  let fitted = true;
  let chosen = null, hits = [], current = -1, opener = null;

  // texts of the card, in place of the tooltips of the browser

  const cards = new Map();
  for (const group of [...things, ...edges.map((edge) => edge.group)]) {
    const title = group.querySelector("title");
    cards.set(group, [...title.textContent.split("\n"), ...[...group.querySelectorAll(".end")].map((text) => text.textContent)]);
    title.remove();
  }
  const card = get("card");
  const showCard = (group, x, y) => {
    const [first, ...lines] = cards.get(group);
    card.replaceChildren(make("b", first), ...lines.map((line) => "\n" + line));
    card.hidden = false;
    const frame = room();
    card.style.left = `${Math.max(0, Math.min(x - frame.x + 14, frame.width - card.offsetWidth))}px`;
    card.style.top = `${Math.max(0, Math.min(y - frame.y + 14, frame.height - card.offsetHeight))}px`;
  };
  const hideCard = () => { card.hidden = true; };

  // names, which stay readable when the picture is small

  const names = things.map((group) => {
    const shape = group.querySelector(".shape"), name = group.querySelector(".name"), number = (key) => Number(shape.getAttribute(key));
    const box = { x: number("x"), y: number("y"), width: number("width"), height: number("height") };
    const about = data.things[group.dataset.thing];
    const degree = edges.filter(({ ends }) => ends.includes(group.dataset.thing)).length;
    const usual = ["x", "y", "font-size"].map((key) => [key, name.getAttribute(key)]);
    return { group, name, box, usual, important: about.kind !== "node" || degree > 2, degree, text: name.firstChild, short: name.firstChild.data, drift: about.status === "ok" ? "" : `, ${about.status}` };
  });
  // those with the most edges come first, because they are landmarks
  const ranked = [...names].sort((a, b) => b.important - a.important || b.degree - a.degree);
  const machines = [...view.querySelectorAll(".frame .name")];
  const place = (far) => {
    for (const name of machines) name.setAttribute("font-size", far ? Math.min(27, 11 / at.scale) : 13);
    const taken = [];
    for (const { group, name, box, usual, important, text, short, drift } of ranked) {
      group.classList.remove("nameless", "over");
      for (const [key, value] of usual) value === null ? name.removeAttribute(key) : name.setAttribute(key, value);
      // the word that is beside the name otherwise
      text.data = far ? short + drift : short;
      if (!far) continue;
      const letters = [...text.data].length;
      const usualSize = Number(name.getAttribute("font-size") || 13), most = Math.min((box.width - 8) / letters / 0.66, box.height * 0.9);
      const wanted = Math.max(usualSize, (important && 15 / at.scale < most ? 15 : 11) / at.scale);
      const fits = wanted <= most, least = 7 / at.scale;
      if (!fits && !important && most < least) { group.classList.add("nameless"); continue; }
      const size = fits || important ? wanted : most;
      const { dx, dy } = moved.get(group) || { dx: 0, dy: 0 };
      const x = box.x + box.width / 2, y = box.y + box.height / 2, width = size * letters * 0.66;
      const area = [x + dx - width / 2, y + dy - size / 2, x + dx + width / 2, y + dy + size / 2];
      if (taken.some((other) => area[0] < other[2] && other[0] < area[2] && area[1] < other[3] && other[1] < area[3])) {
        group.classList.add("nameless");
        continue;
      }
      taken.push(area);
      group.classList.toggle("over", size > most);
      name.setAttribute("x", x);
      name.setAttribute("y", y + size * 0.36);
      name.setAttribute("font-size", size);
    }
  };

  // nodes that the user drags

  const moved = new Map();
  const paths = edges.map(({ group, ends }) => {
    const path = group.querySelector(".wire"), usual = path.getAttribute("d");
    const numbers = usual.match(/-?[\d.]+/g).map(Number);
    const grip = path.cloneNode();
    grip.setAttribute("class", "grip");
    path.after(grip);
    const points = [numbers.slice(0, 2), numbers.slice(-2)];
    const sides = ends.map((end, index) => {
      const { box } = names[end];
      return points[index][0] > box.x + box.width / 2 ? 1 : -1;
    });
    const label = group.querySelector(".label");
    const middle = label && [Number(label.getAttribute("x")) + label.getAttribute("width") / 2, Number(label.getAttribute("y")) + label.getAttribute("height") / 2];
    return { group, ends, path, grip, usual, points, sides, middle };
  });
  const follow = (thing) => {
    for (const { group, ends, path, grip, usual, points, sides, middle } of paths) {
      if (!ends.includes(thing.dataset.thing)) continue;
      const offsets = ends.map((end) => moved.get(things[end]));
      let way = usual, shift = "";
      if (offsets.some(Boolean)) {
        const [start, stop] = points.map(([x, y], index) => [x + (offsets[index]?.dx ?? 0), y + (offsets[index]?.dy ?? 0)]);
        const [first, last] = [start, stop].map(([x, y], index) => [x + sides[index] * 16, y]);
        way = `M${[start, first, last, stop].map((point) => point.join(" ")).join(" L")}`;
        if (middle) shift = `translate(${(first[0] + last[0]) / 2 - middle[0]} ${(first[1] + last[1]) / 2 - middle[1]})`;
      }
      path.setAttribute("d", way);
      grip.setAttribute("d", way);
      for (const part of group.querySelectorAll(".label, .middle")) part.setAttribute("transform", shift);
    }
  };
  const shift = (thing, x, y) => {
    const { dx, dy } = moved.get(thing) || { dx: 0, dy: 0 };
    moved.set(thing, { dx: dx + x / at.scale, dy: dy + y / at.scale });
    thing.setAttribute("transform", `translate(${moved.get(thing).dx} ${moved.get(thing).dy})`);
    follow(thing);
  };
  const putBack = () => {
    const those = [...moved.keys()];
    moved.clear();
    for (const thing of those) { thing.removeAttribute("transform"); follow(thing); }
    draw();
  };

  // position of the picture

  const draw = () => {
    view.setAttribute("transform", `translate(${at.x.toFixed(2)} ${at.y.toFixed(2)}) scale(${at.scale.toFixed(4)})`);
    // hides texts that are too small to read
    svg.classList.toggle("far", at.scale < 0.65);
    place(at.scale < 0.65);
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
  // opens the details of a thing or of an edge
  const open = (thing) => {
    const about = thing.dataset.thing ? data.things[thing.dataset.thing] : data.edges[thing.dataset.edge];
    hideCard();
    toggleLists(false);
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
  const lists = get("overview"), listsButton = get("lists");
  listsButton.hidden = !lists.childElementCount;
  const toggleLists = (shown) => {
    if (shown && listsButton.hidden) return;
    lists.hidden = !shown;
    listsButton.setAttribute("aria-expanded", String(shown));
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
  let travelled = 0, dragged = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event);
    travelled = 0;
    dragged = event.target.closest(".thing");
    hideCard();
  });
  addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      const group = stage.contains(event.target) && event.target.closest(".thing, .edge");
      if (group && event.pointerType === "mouse") showCard(group, event.clientX, event.clientY); else hideCard();
      return;
    }
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (pointers.size === 2) {
      const [other] = [...pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
      const gap = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY) || 1;
      const frame = room();
      zoom(gap(event) / gap(before), (event.clientX + other.clientX) / 2 - frame.x, (event.clientY + other.clientY) / 2 - frame.y);
    } else if (travelled > 4) {
      stage.classList.add("moving");
      if (dragged) shift(dragged, dx, dy); else move(dx, dy);
    }
    pointers.set(event.pointerId, event);
  });
  for (const name of ["pointerup", "pointercancel"])
    addEventListener(name, (event) => { pointers.delete(event.pointerId); stage.classList.remove("moving"); dragged = null; });
  stage.addEventListener("click", (event) => {
    if (travelled > 4) return;
    const thing = event.target.closest(".thing, .edge");
    if (thing) open(thing); else close();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = room(), step = event.deltaMode ? event.deltaY * 30 : event.deltaY;
    zoom(Math.exp(-Math.max(-240, Math.min(240, step)) * 0.0022), event.clientX - frame.x, event.clientY - frame.y);
  }, { passive: false });
  stage.addEventListener("focusin", (event) => {
    const thing = event.target.closest(".thing, .edge");
    if (!thing || !thing.matches(":focus-visible")) return;
    reveal(thing, false);
    const box = thing.getBoundingClientRect();
    showCard(thing, box.x + box.width / 2, thing.dataset.thing ? box.bottom : box.y + box.height / 2);
  });
  stage.addEventListener("focusout", hideCard);
  stage.addEventListener("pointerleave", hideCard);

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
  listsButton.addEventListener("click", () => toggleLists(lists.hidden));
  search.addEventListener("input", update);
  get("find").addEventListener("submit", (event) => { event.preventDefault(); next(); });
  const KEYS = {
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), "0": fit, "/": () => { search.focus(); search.select(); }, "?": help,
    r: putBack, c: () => toggleLists(lists.hidden),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const thing = event.target.closest(".thing, .edge");
    if (event.key === "Escape") {
      const closed = !lists.hidden || close();
      toggleLists(false);
      hideCard();
      if (!closed || event.target === search) { search.value = ""; update(); }
      if (event.target === search) stage.focus({ preventScroll: true });
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

  // a page on paper has the whole picture, with all texts, in light colours

  let themeOfScreen;
  addEventListener("beforeprint", () => {
    themeOfScreen = document.documentElement.dataset.theme;
    delete document.documentElement.dataset.theme;
    svg.classList.remove("far");
    place(false);
    view.removeAttribute("transform");
    const box = view.getBBox();
    svg.setAttribute("viewBox", [box.x - 10, box.y - 10, box.width + 20, box.height + 20].join(" "));
  });
  addEventListener("afterprint", () => {
    if (themeOfScreen) document.documentElement.dataset.theme = themeOfScreen;
    svg.removeAttribute("viewBox");
    draw();
  });
  fit();
})();
