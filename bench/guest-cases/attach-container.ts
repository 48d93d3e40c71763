import { attachCase } from '../attach.js';

export default attachCase('container');
