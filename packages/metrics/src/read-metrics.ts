import { Counter, Gauge, type Registry } from 'prom-client';

export interface Description {
  readonly name: string;
  readonly help: string;
}

/** Adds a gauge that is read when somebody scrapes. */
export function addGauge(registry: Registry, description: Description, read: () => number): void {
  const gauge = new Gauge({
    ...description,
    registers: [],
    collect() {
      this.set(read());
    },
  });
  registry.registerMetric(gauge);
}

/** Adds a gauge with one label; `read` answers with a number for each of its values. */
export function addGaugeBy(
  registry: Registry,
  label: string,
  description: Description,
  read: () => Readonly<Record<string, number>>,
): void {
  const gauge = new Gauge<string>({
    ...description,
    labelNames: [label],
    registers: [],
    collect() {
      for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number);
    },
  });
  registry.registerMetric(gauge);
}

/** Adds a counter that somebody else counts. */
export function addCounter(registry: Registry, description: Description, read: () => number): void {
  const counter = new Counter({
    ...description,
    registers: [],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
  registry.registerMetric(counter);
}

/** Adds a counter with one label that somebody else counts; `read` answers with a number for each of its values. */
export function addCounterBy(
  registry: Registry,
  label: string,
  description: Description,
  read: () => Readonly<Record<string, number>>,
): void {
  const counter = new Counter<string>({
    ...description,
    labelNames: [label],
    registers: [],
    collect() {
      this.reset();
      for (const [value, number] of Object.entries(read())) this.inc({ [label]: value }, number);
    },
  });
  registry.registerMetric(counter);
}
