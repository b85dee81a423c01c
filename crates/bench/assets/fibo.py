# The work of a published benchmark of workflow engines: a Fibonacci number, found the slow way.
import os


def fibo(n):
    return n if n <= 1 else fibo(n - 1) + fibo(n - 2)


print(fibo(int(os.environ["PARAM_N"])))
