const DECIMAL = /^-?\d{1,30}(?:\.\d{1,18})?$/;
const CURRENCY = /^[A-Z]{3}$/;
const MOST_DECIMALS = 18;

/**
 * Writes an amount for people, such as `$2,543.75`, without losing a digit: it is never a floating-point number.
 * @throws RangeError if the amount or the ISO 4217 currency is malformed.
 */
export function formatMoney(amount: string, currency: string): string {
  if (!isDecimal(amount) || !CURRENCY.test(currency)) throw new RangeError('Malformed money');
  const format = { style: 'currency', currency } as const;
  const { minimumFractionDigits } = new Intl.NumberFormat('en-US', format).resolvedOptions();
  return new Intl.NumberFormat('en-US', {
    ...format,
    minimumFractionDigits,
    maximumFractionDigits: MOST_DECIMALS,
  }).format(amount);
}

function isDecimal(text: string): text is `${number}` {
  return DECIMAL.test(text);
}
