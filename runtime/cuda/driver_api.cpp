// Fills the table of driver functions and turns their status codes into errors.
#include "runtime/cuda/driver_api.h"

namespace tenon::cuda {

void DriverApi::check(DriverStatus status, const char* call, const std::string& doing) const {
  if (status == 0) return;
  const char *name = nullptr, *words = nullptr;
  if (cuGetErrorName) cuGetErrorName(status, &name);
  if (cuGetErrorString) cuGetErrorString(status, &words);
  std::string text = std::string(call) + " failed";
  if (!doing.empty()) text += " (" + doing + ")";
  text += ": " + (name ? std::string(name) : "status " + std::to_string(status));
  if (words) text += std::string(", ") + words;
  throw machine_error(text);
}

DriverApi load_driver_api(const LibrarySearch& search) {
  if (!search.library) throw machine_error(search.summary());
  DriverApi api;
#define TENON_LOAD(name, parameters)                                             \
  api.name = reinterpret_cast<decltype(api.name)>(search.library.symbol(#name)); \
  if (!api.name)                                                                 \
    throw machine_error("the CUDA driver " + search.library.path() +             \
                        " lacks " #name " (Tenon needs the driver of CUDA 12 or later)");
  TENON_DRIVER_FUNCTIONS(TENON_LOAD)
#undef TENON_LOAD
  TENON_CUDA(api, cuInit, 0);
  TENON_CUDA(api, cuDriverGetVersion, &api.version);
  return api;
}

}  // namespace tenon::cuda
