// helper_process.cpp: the processes that the cache's fault tests start: this program again, with one case that reads its task
// from the environment. (A fork alone would not do: threads and sanitizers do not follow into it.)
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "tests/runtime/cache/stand_in.h"

namespace tenon::test {
namespace {

constexpr char kCase[] = "helper of the cache's tests";
constexpr int kNobody = 65534;

std::string task(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

pid_t Helper::start() const {
  std::vector<std::string> environment = {"HELPER_FOLDER=" + folder,
                                          "HELPER_LOG=" + log,
                                          "HELPER_KERNELS=" + kernels,
                                          "HELPER_KILL_AT=" + std::to_string(kill_at),
                                          "HELPER_MILLISECONDS=" + std::to_string(milliseconds),
                                          "HELPER_STALE=" + std::to_string(stale_seconds),
                                          "HELPER_FILE_LIMIT=" + std::to_string(file_limit),
                                          std::string("HELPER_UNPRIVILEGED=") + (unprivileged ? "1" : "")};
  std::vector<char*> pointers;
  for (std::string& one : environment) pointers.push_back(one.data());
  for (char** one = environ; *one; ++one) pointers.push_back(*one);
  pointers.push_back(nullptr);
  const std::string chosen = std::string("--test-case=") + kCase;
  const char* words[] = {"helper", chosen.c_str(), "--no-skip", "--no-colors", nullptr};
  const pid_t child = fork();
  if (child != 0) return child;
  const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  dup2(out, 1);
  dup2(out, 2);
  execve("/proc/self/exe", const_cast<char**>(words), pointers.data());
  _exit(127);
}

int end_of(pid_t helper) {
  int status = 0;
  if (waitpid(helper, &status, 0) != helper) return -1000;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tenon::test

using namespace tenon;
using namespace tenon::test;

TEST_CASE("helper of the cache's tests" * doctest::skip()) {
  REQUIRE(!task("HELPER_FOLDER").empty());
  if (!task("HELPER_UNPRIVILEGED").empty() && geteuid() == 0)
    REQUIRE(setresuid(kNobody, kNobody, kNobody) == 0);
  cache::Settings settings = cache::settings_from_environment();  // its warnings: one, on standard error
  settings.folder = task("HELPER_FOLDER");
  settings.stale_seconds = std::stod(task("HELPER_STALE"));
  int steps = 0;
  settings.observer = [&, kill_at = std::stoi(task("HELPER_KILL_AT"))](const char*) {
    if (__atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED) == kill_at) kill(getpid(), SIGKILL);
  };
  const std::vector<EmbeddedFile> headers = some_headers();
  cache::KernelCache cache(settings, headers);
  StandIn compiler(task("HELPER_LOG"), std::stoi(task("HELPER_MILLISECONDS")));
  std::vector<cuda::CompileRequest> requests;
  std::istringstream names(task("HELPER_KERNELS"));
  for (std::string name; names >> name;) requests.push_back(request_of(name));
  if (const int64_t limit = std::stoll(task("HELPER_FILE_LIMIT")); limit >= 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit bytes{static_cast<rlim_t>(limit), static_cast<rlim_t>(limit)};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &bytes) == 0);
  }
  const auto kernels = cache.compile(requests, compiler);
  REQUIRE(kernels.size() == requests.size());
  for (size_t i = 0; i < kernels.size(); ++i) CHECK(is_right(kernels[i], requests[i]));
}
