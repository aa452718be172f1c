const DECIMAL = /^-?\d{1,30}(?:\.\d{1,18})?$/;
const CURRENCY = /^[A-Z]{3}$/;
// More currencies than ISO 4217 defines. Without a limit, made-up codes could fill the memory.
const MAX_FORMATS = 300;

/** One format per currency, reused because creating a format takes 50 µs. */
const formats = new Map<string, Intl.NumberFormat>();

/**
 * Formats an amount for display, such as `$2,543.75`. The result has every digit of the amount,
 * because the amount never becomes a floating-point number.
 * @throws RangeError if the amount or the ISO 4217 currency is malformed
 */
export function formatMoney(amount: string, currency: string): string {
  if (!isDecimal(amount) || !CURRENCY.test(currency))
    throw new RangeError('Malformed amount or currency');
  let format = formats.get(currency);
  if (format === undefined) {
    const options = { style: 'currency', currency, maximumFractionDigits: 18 } as const;
    format = new Intl.NumberFormat('en-US', options);
    if (formats.size >= MAX_FORMATS) formats.clear();
    formats.set(currency, format);
  }
  return format.format(amount);
}

function isDecimal(text: string): text is `${number}` {
  return DECIMAL.test(text);
}
