// The event by the minute, as the server holds it: a minute turns the count x into max(floor, x + net).
export class Series {
  constructor() { this.version = -1; this.event = -1; this.zones = new Map(); this.doors = new Map(); this.bands = new Map(); }

  load(data) {
    this.version = data.series;
    this.event = data.evening;
    this.zones = new Map(Object.entries(data.zones).map(([name, zone]) => [name, {
      initial: zone.initial,
      minutes: new Map(zone.minutes.map((at, i) => [at, [zone.entries[i], zone.exits[i], zone.net[i], zone.floor[i]]])),
    }]));
    this.doors = new Map(Object.entries(data.doors).map(([name, door]) => [name,
      new Map(door.minutes.map((at, i) => [at, [door.entries[i], door.exits[i], door.total[i]]]))]));
    this.bands = new Map(Object.entries(data.bands || {}).map(([name, band]) => [name, band.minutes.map((at, i) => [at, band.low[i], band.high[i]])]));
  }

  // Applies a change; false where one before it was missed, and everything has to be loaded again.
  apply(delta) {
    if (delta.evening !== this.event || delta.since > this.version) return false;
    for (const [name, minutes] of Object.entries(delta.zones)) {
      if (!this.zones.has(name)) return false;
      for (const [at, values] of Object.entries(minutes)) this.zones.get(name).minutes.set(Number(at), values);
    }
    for (const [name, minutes] of Object.entries(delta.doors)) {
      if (!this.doors.has(name)) this.doors.set(name, new Map());
      for (const [at, values] of Object.entries(minutes)) this.doors.get(name).set(Number(at), values);
    }
    this.version = Math.max(this.version, delta.series);
    return true;
  }

  // A total's figures are the sums of its zones'. ``item``: a zone or a total of the state.
  #parts(item) { return (item.total ? item.zones : [item.name]).map((name) => this.zones.get(name)); }

  has(item) { return this.#parts(item).every(Boolean); }

  initial(item) { return this.#parts(item).reduce((sum, zone) => sum + zone.initial, 0); }

  // The count at the end of each minute in which something moved: [second, count].
  curve(item) {
    const changes = [];
    for (const zone of this.#parts(item)) {
      let count = zone.initial;
      for (const [at, [, , net, floor]] of [...zone.minutes.entries()].sort((a, b) => a[0] - b[0])) {
        const after = Math.max(floor, count + net);
        changes.push([at, after - count]);
        count = after;
      }
    }
    const curve = new Map();
    let count = this.initial(item);
    for (const [at, change] of changes.sort((a, b) => a[0] - b[0])) curve.set(at, (count += change));
    return [...curve.entries()];
  }

  // Entries and exits by minute. A correction is neither.
  flows(item) {
    const flows = new Map();
    for (const zone of this.#parts(item)) {
      for (const [at, [entries, exits]] of zone.minutes) {
        const [before, after] = flows.get(at) || [0, 0];
        flows.set(at, [before + entries, after + exits]);
      }
    }
    return flows;
  }

  // The interval of a zone or a total over time: [second, low, high]; empty where there is none.
  band(name) { return this.bands.get(name) || []; }

  // Sums of a map of minutes over five minutes each: [start, sums].
  static byFiveMinutes(minutes) {
    const sums = new Map();
    for (const [at, values] of minutes) {
      const start = at - (at % 300);
      const sum = sums.get(start) || values.map(() => 0);
      sums.set(start, sum.map((value, i) => value + values[i]));
    }
    return [...sums.entries()].sort((a, b) => a[0] - b[0]);
  }
}
