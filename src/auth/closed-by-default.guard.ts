import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ProblemException } from '../problems/problem.js';
import { AccessDeclarations } from './declared-access.js';

/** Runs before every other guard, and refuses routes without an access declaration. */
@Injectable()
export class ClosedByDefaultGuard implements CanActivate {
  private readonly declarations: AccessDeclarations;

  constructor(reflector: Reflector) {
    this.declarations = new AccessDeclarations(reflector);
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.declarations.of(context) === undefined) {
      throw new ProblemException('ACCESS_NOT_DECLARED');
    }
    return true;
  }
}
