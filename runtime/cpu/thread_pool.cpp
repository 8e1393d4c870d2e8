// thread_pool.cpp: workers that sleep between loops.
#include "runtime/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tenon::cpu {
namespace {

thread_local bool inside_loop = false;

/// One loop in the work; its iterations are taken by whoever comes.
struct Loop {
  Loop(int64_t iterations, llvm::function_ref<void(int64_t)> f) : count(iterations), body(f) {}
  int64_t count;
  llvm::function_ref<void(int64_t)> body;
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t failed_at = INT64_MAX;
  std::exception_ptr failure;

  void work() {
    inside_loop = true;
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      try {
        body(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (i < failed_at) failed_at = i, failure = std::current_exception();
      }
    }
    inside_loop = false;
  }
};

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  /// One loop at a time: loops of other threads wait.
  void run(Loop& loop) {
    std::lock_guard turn(turn_);
    {
      std::lock_guard lock(mutex_);
      loop_ = &loop;
      ++generation_;
    }
    wake_.notify_all();
    loop.work();
    std::unique_lock lock(mutex_);
    loop_ = nullptr;  // who wakes only now finds nothing
    idle_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void serve() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || (loop_ && generation_ != seen); });
      if (stop_) return;
      seen = generation_;
      Loop* loop = loop_;
      ++busy_;
      lock.unlock();
      loop->work();
      lock.lock();
      if (--busy_ == 0) idle_.notify_all();
    }
  }

  std::mutex turn_, mutex_;
  std::condition_variable wake_, idle_;
  Loop* loop_ = nullptr;
  uint64_t generation_ = 0;
  int busy_ = 0;
  bool stop_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace

int thread_count() {
  static const int kThreads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return kThreads;
}

void parallel_for(int64_t count, llvm::function_ref<void(int64_t)> body) {
  if (count <= 1 || inside_loop || thread_count() == 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  static Pool pool(thread_count());
  Loop loop(count, body);
  pool.run(loop);
  if (loop.failure) std::rethrow_exception(loop.failure);
}

void parallel_pieces(int64_t count, int64_t grain, llvm::function_ref<void(int64_t, int64_t)> body) {
  parallel_for((count + grain - 1) / grain,
               [&](int64_t i) { body(i * grain, std::min(count, (i + 1) * grain)); });
}

}  // namespace tenon::cpu
