// Keeps the page alive by one EventSource. The server renders; this only puts its parts in their places, says so when
// nothing is heard for 30 s, and lets go of the stream while nobody looks.
"use strict";
(() => {
  const QUIET_MS = 30000, AGAIN_MS = 15000;
  const at = (id) => document.getElementById(id);
  let stream = null, heard = Date.now();

  const hear = (time) => {
    heard = Date.now();
    at("updated").textContent = time;
  };

  const show = (event) => {
    const news = JSON.parse(event.data);
    for (const [id, html] of Object.entries(news.parts)) {
      if (at(id).dataset.shown !== html) {
        at(id).dataset.shown = html;
        at(id).innerHTML = html;
      }
    }
    document.title = news.title;
    document.querySelector("link[rel=icon]").href = `/static/icon-${news.level}.svg`;
    document.body.classList.remove("stale");
    hear(news.time);
  };

  const listen = () => {
    if (stream !== null || document.hidden) return;
    stream = new EventSource(document.body.dataset.events);
    stream.addEventListener("parts", show);
    stream.addEventListener("beat", (event) => hear(event.data));
    stream.addEventListener("error", () => {
      if (stream !== null && stream.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(listen, AGAIN_MS);
      }
    });
  };

  const watch = () => {
    if (document.hidden || Date.now() - heard < QUIET_MS || document.body.classList.contains("stale")) return;
    const time = at("updated").textContent;
    document.body.classList.add("stale");
    const said = at("stale").innerHTML.replace("{time}", time);
    at("verdict").dataset.shown = said;
    at("verdict").innerHTML = said;
    document.title = at("verdict").querySelector(".sentence").textContent;
    document.querySelector("link[rel=icon]").href = "/static/icon-unknown.svg";
    if (stream !== null) stream.close();
    stream = null;
    listen();
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stream !== null) {
      stream.close();
      stream = null;
    } else {
      listen();
    }
  });
  setInterval(watch, 1000);
  listen();
})();
