"""A whole program: train a 2-16-16-1 net for 200 steps of Adam. `train_pytorch.py` is the same in PyTorch."""

import numpy as np

from models.losses import mse_loss
from models.mlp import MLP
from optim import Adam

grid = np.linspace(-1, 1, 10, dtype=np.float32)
x = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(100, 2)
y = x[:, :1] * x[:, 1:]

model = MLP((2, 16, 16, 1), dtype=np.float32)
for p in model.parameters():  # the same start in both programs, without either's random numbers
    p.assign(np.sin(np.arange(p.size, dtype=np.float32)).reshape(p.shape) / 2)
adam = Adam(model.parameters(), lr=1e-3)
for _ in range(200):
    adam.zero_grad()
    loss = mse_loss(model(x), y)
    loss.backward()
    adam.step()
print(f"{loss.item():.4f}")
