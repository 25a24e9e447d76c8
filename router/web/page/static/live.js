// Pages that are open ask for themselves again when the server says that something has changed. Without this they are as they
// were when they were loaded.
"use strict";

(() => {
  const button = document.getElementById("pause");
  const fresh = () => document.querySelector("#fresh[hx-get]");
  if (!button || !fresh() || !window.EventSource) return;

  let paused = false;
  let asked = 0;
  let source = null;

  function busy(element) {
    // Who is choosing or selecting is not disturbed.
    const chosen = element.querySelector("input:checked");
    const selection = window.getSelection();
    const selecting = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    return Boolean(chosen || selecting);
  }

  function changed() {
    const element = fresh();
    if (!element) return stop("Finished");
    const every = 1000 * Number(element.dataset.every || 1);
    if (paused || document.hidden || busy(element) || Date.now() - asked < every) return;
    asked = Date.now();
    element.dispatchEvent(new CustomEvent("fresh"));
  }

  function say(word) {
    button.textContent = word;
    button.dataset.state = word;
  }

  function stop(word) {
    if (source) source.close();
    source = null;
    say(word);
    button.disabled = true;
  }

  function listen() {
    source = new EventSource("/live");
    source.addEventListener("open", () => say(paused ? "Paused" : "Live"));
    source.addEventListener("changed", changed);
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) stop("Not live: reload");
      else say("Connecting");
    });
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    say(paused ? "Paused" : "Live");
    if (!paused) changed();
  });
  button.setAttribute("aria-label", "Live updates: press to pause");
  button.hidden = false;
  say("Connecting");
  listen();
  // A stream that is left open keeps the page from being thrown away.
  window.addEventListener("pagehide", () => source && source.close());
  window.addEventListener("pageshow", (event) => event.persisted && listen());
})();
