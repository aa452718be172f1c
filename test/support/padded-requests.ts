/** A header field that changes the meaning of a request, and the content that it describes. */
export interface HiddenField {
  readonly title: string;
  readonly field: string;
  readonly content: string;
  /** The status of the response if no padding hides the field. */
  readonly visibleStatus: number;
}

// By default, Node's parser drops fields after the 1,000th, but may check the count up to 32
// fields late.
export const DROPPED_AFTER = 1032;

const CHUNKED_CONTENT = '5\r\nhello\r\n0\r\n\r\n';

/** Fields that a proxy parses and that a server must not drop. */
export const HIDDEN_FIELDS: readonly HiddenField[] = [
  {
    title: 'a second Host',
    field: 'Host: other.example',
    content: '',
    visibleStatus: 400,
  },
  {
    title: 'the Content-Length of a GET request',
    field: 'Content-Length: 5',
    content: 'hello',
    visibleStatus: 400,
  },
  {
    title: 'the Transfer-Encoding of a GET request',
    field: 'Transfer-Encoding: chunked',
    content: CHUNKED_CONTENT,
    visibleStatus: 400,
  },
  {
    title: 'an unknown transfer coding',
    field: 'Transfer-Encoding: gzip, chunked',
    content: CHUNKED_CONTENT,
    visibleStatus: 400,
  },
];

/** A GET request with fields, then padding, then a field that the padding may hide. */
export function hidingRequest(
  path: string,
  fields: readonly string[],
  padded: readonly string[],
  { field, content }: Pick<HiddenField, 'field' | 'content'>,
): string {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: localhost', ...fields, ...padded, field];
  return `${lines.join('\r\n')}\r\n\r\n${content}`;
}

/** Header fields without a meaning. */
export function padding(count: number, name = 'A'): string[] {
  return Array.from({ length: count }, () => `${name}:`);
}
