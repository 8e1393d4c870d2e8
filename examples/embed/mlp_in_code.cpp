// A small network built in code, run on host memory for two batch sizes, and compared with plain loops.
#include <tenon/tenon.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace {

constexpr int kIn = 3, kHidden = 5;

// gelu(x w1 + b1) · w2 for one row.
double expected(const float* x, const std::vector<float>& w1, const std::vector<float>& b1,
                const std::vector<float>& w2) {
  double sum = 0;
  for (int j = 0; j < kHidden; ++j) {
    double h = b1[j];
    for (int i = 0; i < kIn; ++i) h += x[i] * w1[i * kHidden + j];
    sum += 0.5 * h * (1 + std::erf(h / std::sqrt(2.0))) * w2[j];
  }
  return sum;
}

std::vector<float> numbers(int count, double step) {
  std::vector<float> values(count);
  for (int i = 0; i < count; ++i) values[i] = static_cast<float>(std::sin(step * (i + 1)));
  return values;
}

}  // namespace

int main() {
  const std::vector<float> w1 = numbers(kIn * kHidden, 0.7), b1 = numbers(kHidden, 1.3),
                           w2 = numbers(kHidden, 2.1);

  tenon::Model model("mlp", "f32");
  model.dim("T", 1, 1024);
  const tenon::Value x = model.input("x", "T, 3");
  const tenon::Value hidden = matmul(x, model.weight("w1", "3, 5")) + model.weight("b1", "5");
  model.output("y", matmul(model.call("gelu", {hidden}), model.weight("w2", "5, 1")));
  model.give_weight("w1", w1.data(), w1.size() * sizeof(float));
  model.give_weight("b1", b1.data(), b1.size() * sizeof(float));
  model.give_weight("w2", w2.data(), w2.size() * sizeof(float));

  tenon::Options options;
  options.device = "cpu";
  options.dims = {{"T", 2}};
  tenon::Program program(model, options);
  std::printf("%s\n", program.device().c_str());
  for (const int rows : {2, 7}) {
    program.rebind_dims({{"T", rows}});
    for (const tenon::Tensor& tensor : program.inputs())
      std::printf("input %s %s[%lld, %lld]\n", tensor.name.c_str(), tensor.dtype.c_str(),
                  static_cast<long long>(tensor.extents[0]), static_cast<long long>(tensor.extents[1]));
    const std::vector<float> input = numbers(rows * kIn, 0.3);
    std::vector<float> output(rows);
    program.bind_input("x", input.data());
    program.bind_output("y", output.data());
    program.run();
    for (int row = 0; row < rows; ++row) {
      const double wanted = expected(&input[row * kIn], w1, b1, w2);
      if (!(std::abs(output[row] - wanted) < 1e-5)) {
        std::printf("row %d of %d: %f instead of %f\n", row, rows, output[row], wanted);
        return 1;
      }
    }
  }

  try {
    program.bind_input("X", nullptr);
    std::printf("a wrong name was taken\n");
    return 1;
  } catch (const tenon::Error& error) {
    std::printf("as expected: %s\n", error.what());
  }
  return 0;
}
