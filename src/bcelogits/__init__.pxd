from bcelogits._core cimport (
    grad_f32,
    grad_f64,
    loss_f32,
    loss_f64,
    mean_and_grad_f32,
    mean_and_grad_f64,
    mean_f32,
    mean_f64,
    sigmoid_f32,
    sigmoid_f64,
    sum_f32,
    sum_f64,
)
