// BlockRunner: a round-robin scheduler over fibers with their own stacks, and the meeting places where they
// wait for one another.
#include "tests/host_cuda/block_runner.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/host_cuda/device_buffer.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#if !defined(ASAN_UNPOISON_MEMORY_REGION)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) static_cast<void>(0)
#endif

#if !defined(__x86_64__)
#error "the fibers' switch is written for x86-64"
#endif

// Saves the callee-saved registers on the running stack, stores its pointer, and goes on where the other
// stack was saved.
extern "C" void tenon_switch_stack(void** save, void* load);
asm(R"(
.text
.globl tenon_switch_stack
tenon_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

namespace tenon::host_cuda {
namespace {

constexpr size_t kStackBytes = 256 << 10, kGuardBytes = 4096;

struct PendingCopy {
  void* to;
  const void* from;
  int size, bytes, group;
};

struct Thread {
  enum class At { kRunning, kBarrier, kWarp, kDone } at = At::kRunning;
  Index3 index{};
  void* stack_pointer = nullptr;
  int barrier = 0;                    // where At::kBarrier
  const char* instruction = nullptr;  // where At::kWarp
  unsigned mask = 0;
  void* record = nullptr;
  int group = 0;  // cp.async groups committed
  std::vector<PendingCopy> copies;
};

struct Barrier {
  int expected = 0, arrived = 0;
};

std::string text(Index3 i) {
  return "(" + std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z) + ")";
}

}  // namespace

struct BlockRunner::State {
  HostApi api{};
  std::vector<Thread> threads;
  std::vector<unsigned char*> stacks;
  std::vector<size_t> order;  // in which threads run
  std::array<Barrier, 16> barriers;
  const std::function<void()>* body = nullptr;
  size_t current = 0;
  void* scheduler_stack = nullptr;
  std::string failure;
  sigjmp_buf landing;
  std::vector<unsigned char> signal_stack = std::vector<unsigned char>(64 << 10);

  static State* running;

  ~State() {
    for (unsigned char* stack : stacks) {
      ASAN_UNPOISON_MEMORY_REGION(stack + kGuardBytes, kStackBytes - kGuardBytes);
      munmap(stack, kStackBytes);
    }
  }
  Thread& self() { return threads[current]; }
  void leave() { tenon_switch_stack(&self().stack_pointer, scheduler_stack); }
  void fail(
      const std::string&
          message) {  // never comes back, but is not [[noreturn]]: ASan would look for the thread's own stack
    failure = message;
    leave();
  }

  static void enter() {
    State& s = *running;
    (*s.body)();
    s.self().at = Thread::At::kDone;
    s.leave();
  }
  void prepare(size_t i) {
    while (stacks.size() <= i) {
      void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (stack == MAP_FAILED) throw std::runtime_error("no memory for the threads' stacks");
      mprotect(stack, kGuardBytes, PROT_NONE);
      stacks.push_back(static_cast<unsigned char*>(stack));
    }
    // An abandoned fiber leaves its frames' red zones behind.
    ASAN_UNPOISON_MEMORY_REGION(stacks[i] + kGuardBytes, kStackBytes - kGuardBytes);
    auto* top = reinterpret_cast<void**>(stacks[i] + kStackBytes) -
                2;  // entered by `ret`: 8 bytes off a multiple of 16, as after a call
    *top = reinterpret_cast<void*>(&enter);
    threads[i].stack_pointer = top - 6;
    const unsigned x = api.block_dim.x, y = api.block_dim.y, n = static_cast<unsigned>(i);
    threads[i].index = {n % x, n / x % y, n / (x * y)};
  }

  void collective(const char* instruction, unsigned mask, void* record, void (*combine)(void* const*)) {
    Thread& me = self();
    const size_t warp = current / 32 * 32;
    if (!(mask >> current % 32 & 1)) fail(std::string(instruction) + ": the lane is not in its own mask");
    me.instruction = instruction, me.mask = mask, me.record = record;
    me.at = Thread::At::kWarp;
    std::array<void*, 32> records{};
    for (size_t lane = 0; lane < 32; ++lane) {
      if (!(mask >> lane & 1)) continue;
      if (warp + lane >= threads.size())
        fail(std::string(instruction) + ": the mask names lanes that the block does not have");
      const Thread& other = threads[warp + lane];
      if (other.at == Thread::At::kDone)
        fail(std::string(instruction) + ": lane " + std::to_string(lane) + " of its mask has exited");
      if (other.at != Thread::At::kWarp) return leave();  // not all here yet
      if (std::strcmp(other.instruction, instruction) || other.mask != mask)
        fail(std::string(instruction) + ": lane " + std::to_string(lane) + " of the same warp is in " +
             other.instruction);
      records[lane] = other.record;
    }
    combine(records.data());
    for (size_t lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1) threads[warp + lane].at = Thread::At::kRunning;
  }

  void barrier(int identifier, int count, bool wait) {
    Barrier& b = barriers[static_cast<size_t>(identifier)];
    if (count == 0) count = static_cast<int>(threads.size());
    if (count % 32 && static_cast<size_t>(count) != threads.size())
      fail("a named barrier's number of threads is not a multiple of 32");
    if (b.arrived && b.expected != count) fail("threads meet at a barrier with different numbers of threads");
    b.expected = count;
    if (++b.arrived < count) {
      if (!wait) return;
      self().at = Thread::At::kBarrier, self().barrier = identifier;
      return leave();
    }
    b = {};
    for (Thread& t : threads)
      if (t.at == Thread::At::kBarrier && t.barrier == identifier) t.at = Thread::At::kRunning;
  }

  void issue_copy(void* to, const void* from, int size, int bytes) {
    if (reinterpret_cast<uintptr_t>(to) % static_cast<uintptr_t>(size) ||
        reinterpret_cast<uintptr_t>(from) % static_cast<uintptr_t>(size))
      fail("cp.async: an address is not aligned to its " + std::to_string(size) + " bytes");
    if (bytes < 0 || bytes > size)
      fail("cp.async: reads " + std::to_string(bytes) + " of " + std::to_string(size) + " bytes");
    for (int i = 0; i < bytes; ++i)
      static_cast<void>(static_cast<const volatile unsigned char*>(from)[i]);  // faults here, not at the wait
    std::memset(to, 0xff, static_cast<size_t>(size));
    self().copies.push_back({to, from, size, bytes, self().group});
  }
  void finish_copies(int pending_groups) {
    Thread& me = self();
    const auto done = [&](const PendingCopy& c) { return c.group < me.group - pending_groups; };
    for (const PendingCopy& c : me.copies)
      if (done(c)) {
        std::memset(c.to, 0, static_cast<size_t>(c.size));
        std::memcpy(c.to, c.from, static_cast<size_t>(c.bytes));
      }
    std::erase_if(me.copies, done);
  }

  std::string deadlock() const {
    std::map<std::string, int> places;
    for (const Thread& t : threads) {
      if (t.at == Thread::At::kBarrier) ++places["at barrier " + std::to_string(t.barrier)];
      if (t.at == Thread::At::kWarp) ++places[std::string("in ") + t.instruction];
      if (t.at == Thread::At::kDone) ++places["exited"];
    }
    std::string message = "the block waits for ever:";
    for (const auto& [place, count] : places)
      message += " " + std::to_string(count) + " threads " + place + ";";
    message.pop_back();
    return message;
  }

  void schedule(unsigned seed) {
    order.resize(threads.size());  // a member: a signal jumps out of here
    std::iota(order.begin(), order.end(), size_t{0});
    std::minstd_rand random(seed);
    for (bool any = true; any && failure.empty();) {
      any = false;
      if (seed) std::shuffle(order.begin(), order.end(), random);
      for (size_t i : order) {
        if (threads[i].at != Thread::At::kRunning) continue;
        any = true;
        current = i;
        api.thread = threads[i].index;
        tenon_switch_stack(&scheduler_stack, threads[i].stack_pointer);
        if (!failure.empty()) return;
      }
    }
    const bool done = std::all_of(threads.begin(), threads.end(),
                                  [](const Thread& t) { return t.at == Thread::At::kDone; });
    if (!done) failure = deadlock();
  }

  static void on_signal(int number, siginfo_t* info, void*) {
    State& s = *running;
    if (number == SIGSEGV || number == SIGBUS) {
      const std::string place = DeviceBuffer::describe(info->si_addr);
      s.failure = "touched memory " + (place.empty() ? "that belongs to no buffer" : place);
    } else {
      s.failure = number == SIGFPE ? "divided an integer by zero"
                                   : "undefined behaviour: a misaligned vector access, an index beyond its "
                                     "array, a bad shift or a signed overflow";
    }
    siglongjmp(s.landing, 1);
  }
};

BlockRunner::State* BlockRunner::State::running = nullptr;

BlockRunner::BlockRunner() : state_(std::make_unique<State>()) {
  using S = State;
  HostApi& api = state_->api;
  api.collective = [](const char* what, unsigned mask, void* record, void (*combine)(void* const*)) {
    S::running->collective(what, mask, record, combine);
  };
  api.barrier = [](int identifier, int threads, bool wait) {
    S::running->barrier(identifier, threads, wait);
  };
  api.cp_async = [](void* to, const void* from, int size, int bytes) {
    S::running->issue_copy(to, from, size, bytes);
  };
  api.cp_async_commit = [] { ++S::running->self().group; };
  api.cp_async_wait = [](int pending) { S::running->finish_copies(pending); };
  api.yield = [] { S::running->leave(); };
  api.fail = [](const char* message) { S::running->fail(message); };
}

BlockRunner::~BlockRunner() = default;

HostApi& BlockRunner::api() { return state_->api; }

void BlockRunner::run(const std::function<void()>& body, unsigned seed) {
  State& s = *state_;
  const size_t count = size_t{s.api.block_dim.x} * s.api.block_dim.y * s.api.block_dim.z;
  s.threads.assign(count, Thread{});
  s.barriers = {};
  s.failure.clear();
  s.body = &body;
  for (size_t i = 0; i < count; ++i) s.prepare(i);
  State::running = &s;

  const stack_t alternate{s.signal_stack.data(), 0, s.signal_stack.size()};
  stack_t previous_stack;
  sigaltstack(&alternate, &previous_stack);
  constexpr std::array<int, 4> kSignals{SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  std::array<struct sigaction, 4> previous;
  struct sigaction action {};
  action.sa_sigaction = State::on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &previous[i]);
  if (sigsetjmp(s.landing, 1) == 0) s.schedule(seed);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &previous[i], nullptr);
  sigaltstack(&previous_stack, nullptr);

  if (!s.failure.empty())
    throw std::runtime_error("block " + text(s.api.block) + " thread " + text(s.threads[s.current].index) +
                             ": " + s.failure);
}

}  // namespace tenon::host_cuda
