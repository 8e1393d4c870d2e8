/* A model as text with a cache that lives from run to run: the sum of all rows seen so far. */
#include <math.h>
#include <stdio.h>
#include <tenon/tenon_c.h>

static const char* kModel =
    "tenon = 1\n"
    "[model]\n"
    "name = \"running\"\n"
    "dtype = \"f32\"\n"
    "[inputs]\n"
    "x = { shape = [1, 1, 1, 4] }\n"
    "position = { shape = [], dtype = \"i32\" }\n"
    "[state]\n"
    "seen_k = { shape = [1, 1, 8, 4] }\n"
    "seen_v = { shape = [1, 1, 8, 4] }\n"
    "[graph]\n"
    "body = [\n"
    "  'k, v = cache(seen_k, seen_v, x, x, position)',\n"
    "  'total = sum(k, axis=2)',\n"
    "]\n"
    "outputs = [\"total\"]\n";

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, tenon_last_error());
  return 1;
}

int main(void) {
  tenon_model* model = NULL;
  tenon_program* program = NULL;
  const tenon_options options = {.device = "cpu"};
  if (tenon_model_parse(kModel, "running.toml", &model) != TENON_DONE) return failed("parse");
  if (tenon_compile(model, &options, &program) != TENON_DONE) return failed("compile");
  tenon_model_free(model); /* the program keeps what it needs */
  printf("tenon %s on %s\n", tenon_version(), tenon_program_device(program));

  tenon_tensor output;
  if (tenon_output(program, 0, &output) != TENON_DONE) return failed("output");
  printf("output %s %s, %zu bytes\n", output.name, output.dtype, output.bytes);

  float x[4], total[4], wanted = 0;
  int32_t position = 0;
  if (tenon_bind_input(program, "x", x) != TENON_DONE) return failed("bind x");
  if (tenon_bind_input(program, "position", &position) != TENON_DONE) return failed("bind position");
  if (tenon_bind_output(program, "total", total) != TENON_DONE) return failed("bind total");
  for (position = 0; position < 8; ++position) {
    for (int i = 0; i < 4; ++i) x[i] = (float)(position + 1) * 0.5f;
    wanted += x[0];
    if (tenon_enqueue(program, NULL) != TENON_DONE) return failed("enqueue");
    for (int i = 0; i < 4; ++i)
      if (fabsf(total[i] - wanted) > 1e-6f) {
        fprintf(stderr, "run %d: %f instead of %f\n", position, total[i], wanted);
        return 1;
      }
  }
  /* The cache is full: the next write is an error, not a crash. */
  if (tenon_enqueue(program, NULL) != TENON_BAD_INPUT) return failed("a write past the cache was taken");
  printf("as expected: %s\n", tenon_last_error());
  tenon_program_free(program);
  return 0;
}
