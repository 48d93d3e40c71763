import { mapEventLoopCase } from '../fixtures/map-event-loop.js';

export default mapEventLoopCase('iommufd');
