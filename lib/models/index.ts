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
} from './hosting/start-model.js';
export type { ModelDescription } from './hosting/model-description.js';
export type { BarLayout, BarOffset, ModelHost, ModelInstance, PciIdentity, PciModel } from './pci-model.js';
