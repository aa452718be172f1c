import { Module } from '@nestjs/common';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { Alerts } from './alerts.js';
import { AttemptDetector } from './attempt-detector.js';
import { Deliveries } from './deliveries.js';
import { IncidentStore } from './incident-store.js';
import { KeyDetector } from './key-detector.js';
import { Webhook } from './webhook.js';

@Module({
  imports: [KeyVerificationModule],
  providers: [Webhook, Deliveries, IncidentStore, Alerts, AttemptDetector, KeyDetector],
  exports: [Alerts, Deliveries],
})
export class AlertsModule {}
