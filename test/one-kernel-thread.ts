// Two test files run at a time, one to a core: kernels with a thread for each core would mostly wait for one another, which
// took a third of the time. The contract suites ask for two again (contract/backends.ts); processes that tests start have
// as many as they would without tests.
import { nativeAddon } from '../src/backend/cpu/native.ts';

nativeAddon().setThreadCount(1);
