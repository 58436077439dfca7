"""A whole program: train a 2-16-16-1 net for 200 steps of Adam. `train_minigrad.py` is the same in minigrad."""

import torch
from torch import nn

torch.set_num_threads(2)
grid = torch.linspace(-1, 1, 10)
x = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), dim=-1).reshape(100, 2)
y = x[:, :1] * x[:, 1:]

model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
with torch.no_grad():
    for p in model.parameters():  # the same start in both programs, without either's random numbers
        start = torch.sin(torch.arange(p.numel(), dtype=torch.float32)) / 2
        p.copy_(start.reshape(p.T.shape).T if p.ndim == 2 else start)
adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
for _ in range(200):
    adam.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    adam.step()
print(f"{loss.item():.4f}")
