import { describe, expect, it } from 'vitest';
import { judgeAudit, judgeSignatures } from './npm-audit.js';

const NO_ANSWERS = [
  '',
  'npm error network',
  '{"statusCode":405,"message":"Method Not Allowed"}',
  '{"error":{"code":"ENOTFOUND","summary":"no such host"}}',
  '{}',
];

describe('the audit of npm', () => {
  it.each(NO_ANSWERS)('is skipped, never passed, without an answer: %s', (output) => {
    expect(judgeAudit(output).status).toBe('skipped');
  });

  it('passes if the registry knows of nothing', () => {
    const output = JSON.stringify({ auditReportVersion: 2, vulnerabilities: {} });
    expect(judgeAudit(output)).toEqual({ status: 'passed', problems: [] });
  });

  it('fails at a vulnerability of any severity', () => {
    const vulnerabilities = { plain: { severity: 'low' } };
    const output = JSON.stringify({ auditReportVersion: 2, vulnerabilities });
    expect(judgeAudit(output)).toEqual({
      status: 'failed',
      problems: ['plain has a known vulnerability: low'],
    });
  });
});

describe('the signatures of npm', () => {
  it.each(NO_ANSWERS)('are skipped, never passed, without an answer: %s', (output) => {
    expect(judgeSignatures(output).status).toBe('skipped');
  });

  it('pass if none is wrong or missing', () => {
    expect(judgeSignatures('{"invalid":[],"missing":[]}').status).toBe('passed');
  });

  it.each(['invalid', 'missing'])('fail if one is %s', (kind) => {
    const output = JSON.stringify({ invalid: [], missing: [], [kind]: [{ name: 'plain' }] });
    expect(judgeSignatures(output).status).toBe('failed');
  });
});
