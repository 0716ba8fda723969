// The event by the minute, as the server holds it: a minute turns the count x into max(floor, x + net).
export class Series {
  constructor() { this.version = -1; this.event = -1; this.zones = new Map(); this.doors = new Map(); }

  load(data) {
    this.version = data.series;
    this.event = data.evening;
    this.zones = new Map(Object.entries(data.zones).map(([name, zone]) => [name, {
      initial: zone.initial,
      minutes: new Map(zone.minutes.map((at, i) => [at, [zone.entries[i], zone.exits[i], zone.net[i], zone.floor[i]]])),
    }]));
    this.doors = new Map(Object.entries(data.doors).map(([name, door]) => [name,
      new Map(door.minutes.map((at, i) => [at, [door.entries[i], door.exits[i], door.total[i]]]))]));
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

  curve(name) {
    const zone = this.zones.get(name);
    let count = zone.initial;
    return [...zone.minutes.entries()].sort((a, b) => a[0] - b[0])
      .map(([at, [, , net, floor]]) => [at, (count = Math.max(floor, count + net))]);
  }

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
