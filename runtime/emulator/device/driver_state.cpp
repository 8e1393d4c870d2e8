// driver_state.cpp: status codes and their words, contexts, streams.
#include "runtime/emulator/device/driver_state.h"

namespace tenon::emulator {
namespace {

struct LastFailure {
  cuda::DriverStatus status = kSuccess;
  std::string words;
};
LastFailure& last_failure() {
  thread_local LastFailure failure;
  return failure;
}

}  // namespace

const char* name(cuda::DriverStatus status) {
  switch (status) {
    case kSuccess: return "CUDA_SUCCESS";
    case kInvalidValue: return "CUDA_ERROR_INVALID_VALUE";
    case kOutOfMemory: return "CUDA_ERROR_OUT_OF_MEMORY";
    case kInvalidDevice: return "CUDA_ERROR_INVALID_DEVICE";
    case kInvalidContext: return "CUDA_ERROR_INVALID_CONTEXT";
    case kInvalidPtx: return "CUDA_ERROR_INVALID_PTX";
    case kInvalidHandle: return "CUDA_ERROR_INVALID_HANDLE";
    case kIllegalState: return "CUDA_ERROR_ILLEGAL_STATE";
    case kNotFound: return "CUDA_ERROR_NOT_FOUND";
    case kCaptureInvalidated: return "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED";
    default: return nullptr;
  }
}

std::vector<EmulatedMachine*>& contexts() {
  thread_local std::vector<EmulatedMachine*> stack;
  return stack;
}

cuda::DriverStatus fail(cuda::DriverStatus status, std::string words) {
  last_failure() = {status, std::move(words)};
  return status;
}

const char* words(cuda::DriverStatus status) {
  if (status == last_failure().status && !last_failure().words.empty()) return last_failure().words.c_str();
  return status == kSuccess ? "no error" : "the emulated driver refused the call";
}

cuda::DriverStatus submit(cuda::Stream stream, Work work, cuda::DriverStatus status) {
  auto* object = reinterpret_cast<StreamObject*>(stream);
  if (object && object->capturing) {
    object->captured.push_back(std::move(work));
    return kSuccess;
  }
  return with_machine(status, [&](EmulatedMachine& machine) {
    work(machine);
    return kSuccess;
  });
}

}  // namespace tenon::emulator
