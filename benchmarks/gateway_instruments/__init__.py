"""The gateway measured by NVIDIA's load generators: AIPerf and perf_analyzer."""
