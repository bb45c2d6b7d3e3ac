// Asks for this page again and again and puts its words in their places, so that only what changed is read aloud. Says
// so when nobody has answered for 10 s. A screen without scripts loads the whole page again by itself.
"use strict";
(() => {
  const LOST_MS = 10000;
  const at = (id) => document.getElementById(id);
  let heard = Date.now();

  const put = (id, html) => {
    if (at(id).innerHTML !== html) at(id).innerHTML = html;
  };

  const ask = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(answer.statusText);
      const news = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["said", "taps", "time", "below"]) put(id, news.getElementById(id).innerHTML);
      document.querySelector("link[rel=icon]").href = news.querySelector("link[rel=icon]").getAttribute("href");
      heard = Date.now();
    } catch {
      if (Date.now() - heard > LOST_MS) {
        put("said", at("lost").innerHTML);
        put("taps", "");
      }
    }
    setTimeout(ask, 1000 * document.body.dataset.again);
  };
  setTimeout(ask, 1000 * document.body.dataset.again);
})();
