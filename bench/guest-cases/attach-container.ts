import { attachCase } from '../fixtures/attach.js';

export default attachCase('container');
