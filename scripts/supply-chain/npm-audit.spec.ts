import { describe, expect, it } from 'vitest';
import { readAudit } from './npm-audit.js';

const INCOMPLETE = [
  '',
  'npm error network',
  '{"statusCode":405,"message":"Method Not Allowed"}',
  '{"error":{"code":"ENOTFOUND","summary":"no such host"}}',
  '{}',
];

describe('readAudit', () => {
  it.each(INCOMPLETE)('returns undefined for an incomplete report: %s', (output) => {
    expect(readAudit(output)).toBeUndefined();
  });

  it('finds no problem in a report without vulnerabilities', () => {
    expect(readAudit('{"auditReportVersion":2,"vulnerabilities":{}}')).toEqual([]);
  });

  it('reports a vulnerability of any severity', () => {
    const vulnerabilities = { plain: { severity: 'low' } };
    const output = JSON.stringify({ auditReportVersion: 2, vulnerabilities });
    expect(readAudit(output)).toEqual(['plain: low']);
  });
});

describe('readAudit of signatures', () => {
  it('finds no problem if every signature is valid', () => {
    expect(readAudit('{"invalid":[],"missing":[]}')).toEqual([]);
  });

  it.each(['invalid', 'missing'])('reports a package whose signature is %s', (kind) => {
    const output = JSON.stringify({ invalid: [], missing: [], [kind]: [{ name: 'plain' }] });
    expect(readAudit(output)).toEqual(['plain: no valid signature']);
  });
});
