// kernel_cache.cpp: load all, build what nobody else builds, wait for the rest.
#include "runtime/cache/kernel_cache.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#include "runtime/cuda/compile_pool.h"

namespace tenon::cache {

/// A request on its way.
struct KernelCache::Job {
  const cuda::CompileRequest* request = nullptr;
  std::optional<KeyParts> parts;  ///< nothing: not for the cache
  Digest key{};
  std::optional<cuda::CompiledKernel> kernel;
  std::exception_ptr failure;
  bool done() const { return kernel || failure; }
};

namespace {

cuda::CompiledKernel kernel_of(Entry entry) {
  cuda::CompiledKernel kernel;
  kernel.ptx = std::move(entry.ptx);
  kernel.cubin = std::move(entry.cubin);
  kernel.resources = cuda::parse_ptxas_log(entry.log);
  kernel.log = std::move(entry.log);
  kernel.milliseconds = entry.milliseconds;
  kernel.from_cache = true;
  return kernel;
}

}  // namespace

KernelCache::KernelCache(Settings settings, llvm::ArrayRef<EmbeddedFile> headers)
    : settings_(std::move(settings)), headers_(headers) {
  if (!settings_.warn) settings_.warn = [](const std::string&) {};
  if (settings_.max_bytes == 0) return;
  try {
    if (settings_.folder.empty()) throw Error("there is no TENON_CACHE_DIR, XDG_CACHE_HOME or HOME");
    store_.emplace(Folder::make(settings_.kernel_folder()), settings_);
  } catch (const Error& error) {
    settings_.warn("compiled kernels are not kept: " + error.diagnostics().front().message);
  }
}

std::vector<KernelCache::Job> KernelCache::jobs_of(const std::vector<cuda::CompileRequest>& requests,
                                                   Backend& backend) {
  std::vector<Job> jobs(requests.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    jobs[i].request = &requests[i];
    if (store_) jobs[i].parts = key_parts(requests[i], backend.identity(), headers_);
    if (jobs[i].parts) jobs[i].key = key_of(*jobs[i].parts);
  }
  cuda::for_each_in_parallel(jobs.size(), 0, [&](size_t i) { load(jobs[i]); });
  return jobs;
}

void KernelCache::load(Job& job) const {
  if (!job.parts) return;
  std::optional<Entry> entry = store_->load(job.key, job.request->ptx);
  if (!entry) return;
  if (entry->refusal.empty())
    job.kernel = kernel_of(std::move(*entry));
  else
    job.failure = std::make_exception_ptr(cuda::SourceRefused(entry->refusal));
}

void KernelCache::save(const Entry& entry) const try { store_->save(entry); } catch (const Error& error) {
  settings_.warn("compiled kernels are not kept: " + error.diagnostics().front().message);
}

void KernelCache::build(Job& job, const Backend& backend) const {
  const auto start = std::chrono::steady_clock::now();
  try {
    job.kernel = backend.compile(*job.request);
    if (job.parts)
      save({*job.parts, job.kernel->milliseconds, "", job.kernel->cubin, job.kernel->log, job.kernel->ptx});
  } catch (const cuda::SourceRefused& refused) {
    job.failure = std::current_exception();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (job.parts) save({*job.parts, took.count(), refused.diagnostics().front().message, "", "", ""});
  } catch (...) {
    job.failure = std::current_exception();
  }
}

void KernelCache::wait_and_build(Job& job, const Backend& backend) const {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(settings_.wait_seconds);
  auto pause = std::chrono::milliseconds(1);
  for (bool busy = true; busy && Clock::now() < until;) {
    const std::optional<BuildLock> lock = store_->try_lock(job.key, busy);
    if (lock || !busy) {
      load(job);  // another builder may have come before us
      if (!job.done()) build(job, backend);
      return;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(50));
  }
  build(job, backend);
}

std::vector<cuda::CompiledKernel> KernelCache::compile(const std::vector<cuda::CompileRequest>& requests,
                                                       Backend& backend) {
  const auto missing = [](const std::vector<Job>& jobs) {
    return std::any_of(jobs.begin(), jobs.end(), [](const Job& job) { return !job.done(); });
  };
  std::vector<Job> jobs = jobs_of(requests, backend);
  if (missing(jobs)) {
    const cuda::NvrtcIdentity remembered = backend.identity();
    backend.open();
    if (!(backend.identity() == remembered)) jobs = jobs_of(requests, backend);
    // First what nobody builds: so processes that race share the work instead of waiting in a row.
    cuda::for_each_in_parallel(jobs.size(), 0, [&](size_t i) {
      Job& job = jobs[i];
      if (job.done()) return;
      if (!job.parts) return build(job, backend);
      bool busy = false;
      const std::optional<BuildLock> lock = store_->try_lock(job.key, busy);
      if (busy) return;
      load(job);
      if (!job.done()) build(job, backend);
    });
    cuda::for_each_in_parallel(jobs.size(), 0, [&](size_t i) {
      if (!jobs[i].done()) wait_and_build(jobs[i], backend);
    });
    if (store_) store_->sweep();
  }
  std::vector<cuda::CompiledKernel> kernels;
  for (Job& job : jobs) {
    if (job.failure) std::rethrow_exception(job.failure);
    kernels.push_back(std::move(*job.kernel));
  }
  return kernels;
}

}  // namespace tenon::cache
