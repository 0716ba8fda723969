// The evening by the minute, as the server keeps it: a minute turns the count x into max(floor, x + net).
export class Series {
  constructor() { this.version = -1; this.evening = -1; this.zones = new Map(); this.doors = new Map(); }

  load(told) {
    this.version = told.series;
    this.evening = told.evening;
    this.zones = new Map(Object.entries(told.zones).map(([name, zone]) => [name, {
      initial: zone.initial,
      minutes: new Map(zone.minutes.map((at, i) => [at, [zone.entries[i], zone.exits[i], zone.net[i], zone.floor[i]]])),
    }]));
    this.doors = new Map(Object.entries(told.doors).map(([name, door]) => [name,
      new Map(door.minutes.map((at, i) => [at, [door.entries[i], door.exits[i], door.total[i]]]))]));
  }

  // Takes a patch; false where something between was missed, and all has to be loaded again.
  patch(told) {
    if (told.evening !== this.evening || told.since > this.version) return false;
    for (const [name, minutes] of Object.entries(told.zones)) {
      if (!this.zones.has(name)) return false;
      for (const [at, values] of Object.entries(minutes)) this.zones.get(name).minutes.set(Number(at), values);
    }
    for (const [name, minutes] of Object.entries(told.doors)) {
      if (!this.doors.has(name)) this.doors.set(name, new Map());
      for (const [at, values] of Object.entries(minutes)) this.doors.get(name).set(Number(at), values);
    }
    this.version = Math.max(this.version, told.series);
    return true;
  }

  curve(name) {
    const zone = this.zones.get(name);
    let count = zone.initial;
    return [...zone.minutes.entries()].sort((a, b) => a[0] - b[0])
      .map(([at, [, , net, floor]]) => [at, (count = Math.max(floor, count + net))]);
  }

  // Sums of a map of minutes over five minutes each: [start, sums].
  static fives(minutes) {
    const sums = new Map();
    for (const [at, values] of minutes) {
      const start = at - (at % 300);
      const sum = sums.get(start) || values.map(() => 0);
      sums.set(start, sum.map((value, i) => value + values[i]));
    }
    return [...sums.entries()].sort((a, b) => a[0] - b[0]);
  }
}
