/**
 * For the author of a device model: the model's interface, and functions that host a model.
 *
 * @packageDocumentation
 */
export {
  serveModel,
  startModel,
  type HostedModel,
  type HostOptions,
  type ModelSpec,
  type ServedModel,
} from './host.js';
export type { ModelDescription } from './description.js';
export type { BarLayout, BarOffset, ModelHost, ModelInstance, PciIdentity, PciModel } from './model.js';
