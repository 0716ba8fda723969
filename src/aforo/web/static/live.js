// The line to the program: a full state, then changes. Silence of some seconds is a broken line; it is mended by itself,
// after longer and longer waits, and begins again with a full state.
const SILENCE = 4500; // ms without a frame: the program sends one a second
const FIRST_WAIT = 500, LONGEST_WAIT = 10000; // ms

export class Line {
  constructor({ onState, onChange, onDown, onUp, mayRead }) {
    Object.assign(this, { onState, onChange, onDown, onUp, mayRead });
    this.wait = FIRST_WAIT;
    this.source = null;
    this.down = false;
    this.timer = 0;
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = (this.source = new EventSource("/api/v1/stream"));
    source.addEventListener("state", (frame) => this.heard(() => this.onState(JSON.parse(frame.data))));
    source.addEventListener("change", (frame) => this.heard(() => this.onChange(JSON.parse(frame.data))));
    source.onerror = () => { if (source === this.source) this.broken(); };
    this.expect();
  }

  heard(tell) {
    this.wait = FIRST_WAIT;
    this.expect();
    if (this.down) { this.down = false; this.onUp(); }
    tell();
  }

  expect() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.broken(), SILENCE);
  }

  broken() {
    clearTimeout(this.silence);
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    if (!this.down) { this.down = true; this.onDown(); }
    this.timer = setTimeout(() => this.again(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }

  async again() {
    if (await this.mayRead()) this.open();
    else this.broken();
  }
}
