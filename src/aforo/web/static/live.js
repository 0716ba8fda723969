// The event stream: a full state, then changes. After some seconds without a frame it is opened again, with longer and
// longer waits, and begins with a full state. A program that ends says so in its last frame.
const SILENCE = 4500; // ms without a frame: the program sends one a second
const FIRST_WAIT = 500, MAX_WAIT = 10000, PROBE_WAIT = 1000, AFTER_END = 3000; // ms

// What stands between the page and the program: "up", "down", "login" (it asks who is there), "ended" (it has stopped).
export class Connection {
  constructor({ onState, onChange, onLink, mayRead }) {
    Object.assign(this, { onState, onChange, onLink, mayRead });
    this.wait = FIRST_WAIT;
    this.source = null;
    this.link = "up";
    this.retryTimer = 0;
  }

  open() {
    clearTimeout(this.retryTimer);
    this.source?.close();
    const source = (this.source = new EventSource("/api/v1/stream"));
    source.addEventListener("state", (frame) => this.received(() => this.onState(JSON.parse(frame.data))));
    source.addEventListener("change", (frame) => this.received(() => this.onChange(JSON.parse(frame.data))));
    source.addEventListener("end", (frame) => {
      this.received(() => this.onState(JSON.parse(frame.data)));
      source.close();
      this.set("ended");
      clearTimeout(this.silenceTimer);
      this.retryTimer = setTimeout(() => this.handleLoss(), AFTER_END);
    });
    source.onerror = () => { if (source === this.source) this.handleLoss(); };
    this.restartTimer();
  }

  received(handle) {
    this.wait = FIRST_WAIT;
    this.restartTimer();
    this.set("up");
    handle();
  }

  set(link) {
    const before = this.link;
    this.link = link;
    if (before !== link) this.onLink(link, before);
  }

  restartTimer() {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.handleLoss(), SILENCE);
  }

  // A program that asks for a login answers at once that it does: only what does not answer is a lost connection.
  handleLoss() {
    clearTimeout(this.silenceTimer);
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
    const lost = setTimeout(() => { if (this.link === "up") this.set("down"); }, this.link === "up" ? PROBE_WAIT : 0);
    const answered = (link) => {
      clearTimeout(lost);
      if (this.source) return;
      if (link === "up") this.open();
      else {
        if (this.link !== "ended" || link === "login") this.set(link);
        this.retryTimer = setTimeout(() => this.handleLoss(), this.wait * (0.75 + Math.random() / 2));
        this.wait = Math.min(this.wait * 2, MAX_WAIT);
      }
    };
    this.mayRead().then(answered);
  }
}
