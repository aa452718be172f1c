/** The exported metrics of a process, as Prometheus reads them. */
export class Scrape {
  private constructor(
    readonly contentType: string | null,
    readonly text: string,
  ) {}

  /** @param url the URL of the metrics; without a URL, the request fails */
  static async of(url = ''): Promise<Scrape> {
    const response = await fetch(url);
    return new Scrape(response.headers.get('content-type'), await response.text());
  }

  /**
   * The value of one series, such as `latchkey_http_request_duration_seconds_count{method="GET"}`.
   * The order of the labels does not matter.
   */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const series = this.series(name).find((each) =>
      Object.entries(labels).every(([label, value]) => each.labels.includes(`${label}="${value}"`)),
    );
    return series?.value;
  }

  series(name: string): { labels: string; value: number }[] {
    return this.text.split('\n').flatMap((line) => {
      const [, metric, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return metric === name ? [{ labels, value: Number(value?.replace('Inf', 'Infinity')) }] : [];
    });
  }

  /** The names of all series as queries use them, including series that have no value yet. */
  get names(): Set<string> {
    const names = [...this.text.matchAll(/^# TYPE (\w+) (\w+)/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    );
    return new Set(names);
  }
}
