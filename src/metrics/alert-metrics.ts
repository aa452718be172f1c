import { addCounterBy, addGauge, addGaugeBy } from '@latchkey/metrics/read-metrics';
import { Injectable } from '@nestjs/common';
import { Registry } from 'prom-client';
import { ALERT_RULES } from '../alerts/alert-rules.js';
import { Alerts } from '../alerts/alerts.js';
import { Deliveries } from '../alerts/deliveries.js';

const FIRING = {
  name: 'latchkey_alert_firing',
  help: 'Episodes that last, by rule, whichever process has seen them.',
};
const SUPPRESSED = {
  name: 'latchkey_alerts_suppressed_total',
  help: 'Signs of episodes that were not told, because too many of their rule last.',
};
const DELIVERIES = {
  name: 'latchkey_alert_deliveries_total',
  help: 'Attempts to tell the receiver of an alert, and alerts that were given up.',
};
const PENDING = {
  name: 'latchkey_alert_outbox_pending',
  help: 'Alerts that the receiver has not confirmed yet, of all processes.',
};

/** Tells which alerts fire, and whether anybody hears of them. */
@Injectable()
export class AlertMetrics {
  constructor(alerts: Alerts, deliveries: Deliveries, registry: Registry) {
    addGaugeBy(registry, 'rule', FIRING, () =>
      Object.fromEntries(ALERT_RULES.map((rule) => [rule, alerts.countOpen(rule)])),
    );
    addCounterBy(registry, 'rule', SUPPRESSED, () => Object.fromEntries(alerts.suppressed));
    addCounterBy(registry, 'result', DELIVERIES, () => deliveries.counts);
    addGauge(registry, PENDING, () => deliveries.pending);
  }
}
