import type { BenchRun } from '../bench-run.js';
import type { Options } from '../options.js';
import type { Peer } from '../peers.js';

export interface Section {
  /** Markdown, without the heading. */
  readonly text: string;
  /** How often and how long was measured. */
  readonly conditions: string;
  /** An SVG. */
  readonly chart?: string;
}

/**
 * Measures the figures of a section of docs/explanation/performance-figures.md, which has its name.
 */
export interface Measurement {
  readonly name: string;
  /** The peers that it runs, so that they can be built before. */
  peers(options: Options): readonly Peer[];
  run(run: BenchRun): Promise<Section>;
}
