import type { BenchRun } from '../bench-run.js';
import type { Options } from '../options.js';
import type { Peer } from '../peers.js';

export interface Section {
  /** Markdown, without the heading. */
  readonly text: string;
  /** The number and duration of the rounds. */
  readonly conditions: string;
  /** An SVG image. */
  readonly chart?: string;
}

/** Measures the figures of one section of docs/explanation/performance-figures.md. */
export interface Measurement {
  /** The name of the section. */
  readonly name: string;
  /** The peers to build before the measurement. */
  peers(options: Options): readonly Peer[];
  run(run: BenchRun): Promise<Section>;
}
