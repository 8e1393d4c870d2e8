// off_by_one.cu: y[i] = x[i] + x[i + 1]; the last element stays alone.
// run: --grid 4 --block 256 --arg in:f32:1000:iota --arg out:f32:1000 --arg i32:1000
// finds: out_of_bounds
extern "C" __global__ void neighbours(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
#ifdef FIXED
  bool has_next = i < n - 1;
#else
  bool has_next = i < n;
#endif
  float next = has_next ? x[i + 1] : 0;  // reported
  if (i < n) y[i] = x[i] + next;
}
