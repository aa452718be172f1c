import { Module } from '@nestjs/common';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { Alerts } from './alerts.js';
import { AttemptWatch } from './attempt-watch.js';
import { Deliveries } from './deliveries.js';
import { EpisodeStore } from './episode-store.js';
import { FeedWatch } from './feed-watch.js';
import { KeyWatch } from './key-watch.js';
import { Outbox } from './outbox.js';
import { Webhook } from './webhook.js';

@Module({
  imports: [KeyVerificationModule],
  providers: [Webhook, Outbox, Deliveries, EpisodeStore, Alerts, AttemptWatch, FeedWatch, KeyWatch],
  exports: [Alerts, Deliveries],
})
export class AlertsModule {}
