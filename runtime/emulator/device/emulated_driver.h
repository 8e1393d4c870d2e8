// emulated_driver.h: the CUDA driver's interface over emulated machines, so that the runtime's executor works on them as
// it works on GPUs.
#pragma once
#include "runtime/cuda/driver_api.h"
#include "runtime/emulator/device/emulated_machine.h"

namespace tenon::emulator {

/// Every function of the driver's table. Device N is the living EmulatedMachine with ordinal() N; its context is the
/// machine, current per thread. Modules are PTX text. Streams do their work at once, in the order of the calls; a capture
/// keeps it, a graph is the list of what was kept; events tell the host's clock. Errors come as the driver's status codes,
/// and cuGetErrorString has the words of the last one of the calling thread (a PTX line that cannot be decoded, say). What
/// a kernel does wrong is no error but a finding in EmulatedMachine::records().
cuda::DriverApi emulated_driver_api();

}  // namespace tenon::emulator
