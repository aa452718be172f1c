import { Counter, Gauge, type Registry } from 'prom-client';

interface Description {
  readonly name: string;
  readonly help: string;
}

type ReadByLabel = () => Readonly<Record<string, number>>;

/** Adds a gauge whose value `read` returns at each scrape. */
export function addGauge(registry: Registry, description: Description, read: () => number): void {
  const collect = () => {
    gauge.set(read());
  };
  const gauge = new Gauge({ ...description, registers: [registry], collect });
}

/** Adds a gauge with one label. At each scrape, `read` returns a number for each label value. */
export function addGaugeBy(
  registry: Registry,
  label: string,
  description: Description,
  read: ReadByLabel,
): void {
  const collect = () => {
    for (const [value, number] of Object.entries(read())) gauge.set({ [label]: value }, number);
  };
  const labelNames = [label];
  const gauge = new Gauge({ ...description, labelNames, registers: [registry], collect });
}

/** Adds a counter with one label. At each scrape, `read` returns the total for each label value. */
export function addCounterBy(
  registry: Registry,
  label: string,
  description: Description,
  read: ReadByLabel,
): void {
  const collect = () => {
    counter.reset();
    for (const [value, number] of Object.entries(read())) counter.inc({ [label]: value }, number);
  };
  const labelNames = [label];
  const counter = new Counter({ ...description, labelNames, registers: [registry], collect });
}
