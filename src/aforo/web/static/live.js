// The event stream: a full state, then changes. After some seconds without a frame it is opened again, with longer and
// longer waits, and begins with a full state.
const SILENCE = 4500; // ms without a frame: the program sends one a second
const FIRST_WAIT = 500, MAX_WAIT = 10000; // ms

export class Connection {
  constructor({ onState, onChange, onDown, onUp, mayRead }) {
    Object.assign(this, { onState, onChange, onDown, onUp, mayRead });
    this.wait = FIRST_WAIT;
    this.source = null;
    this.down = false;
    this.retryTimer = 0;
  }

  open() {
    clearTimeout(this.retryTimer);
    this.source?.close();
    const source = (this.source = new EventSource("/api/v1/stream"));
    source.addEventListener("state", (frame) => this.received(() => this.onState(JSON.parse(frame.data))));
    source.addEventListener("change", (frame) => this.received(() => this.onChange(JSON.parse(frame.data))));
    source.onerror = () => { if (source === this.source) this.handleLoss(); };
    this.restartTimer();
  }

  received(handle) {
    this.wait = FIRST_WAIT;
    this.restartTimer();
    if (this.down) { this.down = false; this.onUp(); }
    handle();
  }

  restartTimer() {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.handleLoss(), SILENCE);
  }

  handleLoss() {
    clearTimeout(this.silenceTimer);
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.source = null;
    if (!this.down) { this.down = true; this.onDown(); }
    this.retryTimer = setTimeout(() => this.reconnect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, MAX_WAIT);
  }

  async reconnect() {
    if (await this.mayRead()) this.open();
    else this.handleLoss();
  }
}
