import { Module } from '@nestjs/common';
import { ApiKeysService } from './api-keys.service.js';
import { MessageAuthenticator } from './key-sync/message-authenticator.js';
import { KeyChanges } from './key-changes.js';
import { KeyPropagation } from './key-propagation.js';
import { RootKeyStore } from './root-key-store.js';

/** Stores and changes keys, for the routes and for the command line. */
@Module({
  providers: [RootKeyStore, KeyChanges, MessageAuthenticator, KeyPropagation, ApiKeysService],
  exports: [RootKeyStore, KeyChanges, MessageAuthenticator, ApiKeysService],
})
export class ApiKeysModule {}
