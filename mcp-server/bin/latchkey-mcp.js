#!/usr/bin/env node
import '../dist/bundle/stdio.js';
